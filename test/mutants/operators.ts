/** Small changes of a program, each of which a test should notice. */

import ts from 'typescript';

/** One change: the text between `start` and `end` becomes `text`. */
export interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** From 1 on. */
  readonly line: number;
  /** `a < b -> a <= b`. */
  readonly what: string;
}

/** What takes the place of an operator. */
const SWAPS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  '+': '-',
  '-': '+',
  '+=': '-=',
  '-=': '+=',
  '&': '|',
  '|': '&',
  '++': '--',
  '--': '++',
};

const WORDS_MAX = 60;

/** All mutants of JavaScript `source`, in the order of the text. */
export function mutantsOf(source: string): Mutant[] {
  const file = ts.createSourceFile('mutated.js', source, ts.ScriptTarget.ESNext, true);
  const mutants: Mutant[] = [];
  const add = (node: ts.Node, text: string): void => {
    const [start, end] = [node.getStart(file), node.getEnd()];
    const line = file.getLineAndCharacterOfPosition(start).line + 1;
    const before = words(source.slice(start, end));
    mutants.push({ start, end, text, line, what: `${before} -> ${words(text)}` });
  };
  const visit = (node: ts.Node): void => {
    // Errors that are thrown are words, and what an import names is no program.
    if (ts.isThrowStatement(node) || ts.isImportDeclaration(node)) return;
    change(node, file, add);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return mutants;
}

function change(node: ts.Node, file: ts.SourceFile, add: (node: ts.Node, text: string) => void) {
  if (ts.isBinaryExpression(node)) {
    const swapped = SWAPS[node.operatorToken.getText(file)];
    if (swapped !== undefined && !joinsText(node)) {
      add(node, `${node.left.getText(file)} ${swapped} ${node.right.getText(file)}`);
    }
  } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const text = node.getText(file);
    if (text.startsWith('!')) add(node, text.slice(1));
    else if (text.includes('++')) add(node, text.replace('++', '--'));
  } else if (ts.isIfStatement(node) || ts.isConditionalExpression(node)) {
    const condition = ts.isIfStatement(node) ? node.expression : node.condition;
    add(condition, 'true');
    add(condition, 'false');
  } else if (ts.isNumericLiteral(node) && !ts.isPropertyAssignment(node.parent)) {
    add(node, String(Number(node.text) + 1));
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) {
    add(node, 'false');
  } else if (node.kind === ts.SyntaxKind.FalseKeyword) {
    add(node, 'true');
  } else if (ts.isExpressionStatement(node) && isEffect(node.expression)) {
    add(node, ';');
  } else if (ts.isContinueStatement(node) || ts.isBreakStatement(node)) {
    if (!ts.isCaseOrDefaultClause(node.parent)) add(node, ';');
  }
}

/** A sum with a piece of text in it. */
function joinsText(node: ts.BinaryExpression): boolean {
  return ts.isStringLiteralLike(node.left) || ts.isStringLiteralLike(node.right);
}

function isEffect(expression: ts.Expression): boolean {
  if (ts.isCallExpression(expression)) {
    return expression.expression.kind !== ts.SyntaxKind.SuperKeyword;
  }
  return ts.isBinaryExpression(expression) && expression.operatorToken.getText() === '=';
}

function words(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > WORDS_MAX ? `${line.slice(0, WORDS_MAX - 3)}...` : line;
}
