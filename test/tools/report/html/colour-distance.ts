/** The distance of colours in the eyes of different people. */

type Vector = readonly number[];

/** What red, green and blue come to: for most, and without cones of each kind (Machado 2009). */
const EYES: readonly (readonly Vector[])[] = [
  [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
];

/** From linear light to Oklab, in two steps with a cube root between them. */
const CONES: readonly Vector[] = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const OKLAB: readonly Vector[] = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];

/** The distance, in Oklab, of the two that are the most alike to anybody. */
export function leastDistance(colours: readonly string[]): number {
  const distances = EYES.flatMap((eye) => {
    const seen = colours.map((colour) => {
      const cones = times(CONES, times(eye, linear(colour)));
      return times(
        OKLAB,
        cones.map((value) => Math.cbrt(Math.max(0, value))),
      );
    });
    return seen.flatMap((one, index) =>
      seen.slice(index + 1).map((other) => Math.hypot(...one.map((v, i) => v - (other[i] ?? 0)))),
    );
  });
  return Math.min(...distances);
}

function times(rows: readonly Vector[], vector: Vector): Vector {
  return rows.map((row) => row.reduce((sum, value, at) => sum + value * (vector[at] ?? 0), 0));
}

/** `#rrggbb` as linear light, 0 to 1. */
function linear(colour: string): Vector {
  return [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
}
