# Everything but the benches needs only make, Node.js and npm. The recipes keep to what GNU make and the BSDs'
# make have in common.

# Ran first in every recipe that needs Node, so that a machine without it gets a sentence instead of
# "command not found" from the middle of a build. The floor is that of "engines" in package.json.
NEED_NODE = \
  if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then \
    echo "sockloop needs Node.js 20.19 or newer, with npm, and they are not on the PATH." >&2; \
    echo "Install them from https://nodejs.org or with your system's package manager." >&2; \
    exit 1; \
  fi; \
  if ! node -e 'var v = process.versions.node.split("."); process.exit(v[0] > 20 || (v[0] == 20 && v[1] >= 19) ? 0 : 1)'; then \
    echo "sockloop needs Node.js 20.19 or newer, and this is $$(node --version)." >&2; \
    echo "Install a newer one from https://nodejs.org or with your system's package manager." >&2; \
    exit 1; \
  fi

# The tools are called by their path: npx would find the same ones, half a second later.
TSC = node_modules/.bin/tsc
BIOME = node_modules/.bin/biome
CRUISE = node_modules/.bin/depcruise --output-type err-long
KNIP = node_modules/.bin/knip --no-config-hints
TYPEDOC = node_modules/.bin/typedoc
PUBLINT = node_modules/.bin/publint --strict
# The package is ESM alone; Node requires such packages since 20.19.
ATTW = node_modules/.bin/attw --profile esm-only --no-emoji --no-color

# Test files start servers and load on them, so only three run at a time: one of three mostly waits. A
# file may take five minutes.
TEST_FLAGS = --test-concurrency=3 --test-timeout=300000

.PHONY: all build demo package bill test test-arm64 mutants check reference bench bench-quick docs docs-pictures \
  faults sim hostile soak memory clean help

all: build ## Same as build (the default).

build: node_modules/.package-lock.json ## Compile src/ and tools/ to dist/, and the tests, benches and examples to build/.
	@$(NEED_NODE); $(TSC) -b

demo: build ## Show the servers and clients at work, on this machine.
	@node dist/tools/cli/demo/demo.js

# Written anew by each run. npm does the same before it packs or publishes the project itself.
package: build ## Write what is published, to look at or to install: build/sockloop-VERSION.tgz.
	@rm -f build/sockloop-*.tgz
	@node packing/make.mjs stage build/package
	@npm pack --silent --ignore-scripts --pack-destination build ./build/package >/dev/null
	@ls build/sockloop-*.tgz

bill: package ## List what the package is made of, in CycloneDX: build/package.cdx.json.
	@node packing/make.mjs bill build/package
	@ls build/package.cdx.json

# The list is made from the sources: a compiled test whose source is gone must not run, and Node 20
# and 22 disagree about what a directory argument means.
test: check ## Build, check, and run every test.
	@SOCKLOOP_CHECKS=1 node --test $(TEST_FLAGS) \
	  $$(find test -name '*.test.ts' | sort | sed -e 's|^test/|build/test/|' -e 's|ts$$|js|')

# A few of these files are part of every `make test`. What is missing is named, and skipped.
test-arm64: build ## Run the tests of the library on arm64 under qemu-user: many minutes, Linux x64.
	@ARM64_TESTS=all node --test --test-reporter=spec build/test/arm64/emulated.test.js

# One process at a time, and mostly waits. FAULTS="accept4;| poll |" takes the cells with these words.
faults: build ## Let each system call of the programs fail, by strace, into build/faults/faults.md: twenty minutes, Linux.
	@node build/test/faults/faults.js

# One server at a time. HOSTILE="never reading;| poll |" takes the cells with these words.
hostile: package ## Attack the servers on every loop, good clients beside, into build/hostile/hostile.md: ten minutes, Linux.
	@node build/test/hostile/hostile.js

# A short form is a part of make test. SOAK=epoll takes the servers whose names have the word.
soak: build ## Serve a mixed load for MINUTES=5 and see whether anything is lost or left: build/soak/soak.md, Linux.
	@MINUTES=$(MINUTES) node build/test/soak/soak.js

# MEMORY=net takes the files whose names have the word.
memory: package ## Run the suites with every address and length checked that the kernel is given: minutes.
	@node build/test/memory/run.js

# Biome: format, sizes, names, what each room may say. dependency-cruiser: who imports whom. knip: what
# nothing uses. TypeDoc: public names without words. own.mjs: what none of them can tell. publint and
# attw: whether the package has what its package.json names, for Node, bundlers and TypeScript.
check: package ## Types, lint, format, layers, dead code, public documentation.
	@$(BIOME) check --error-on-warnings .
	@$(CRUISE) --config guards/dependency-cruiser.cjs src tools sim test bench examples packing
	@$(KNIP) --config guards/knip.json
	@$(TYPEDOC) --options guards/typedoc.json
	@node guards/own.mjs
	@said=$$($(PUBLINT) build/sockloop-*.tgz) || { echo "$$said"; exit 1; }
	@said=$$($(ATTW) build/sockloop-*.tgz) || { echo "$$said"; exit 1; }

# Every core has a thread of seeds, and none is left to collect garbage. Other seeds each time; SIM="--seed 1 --targets io_uring,epoll" chooses them.
sim: build ## Run seeds over the simulated kernels and shrink what fails: MINUTES=1.
	@SOCKLOOP_CHECKS=1 node --single-threaded-gc build/test/sim/campaign/run.js --minutes $${MINUTES:-1} $(SIM)

# The run that checks the comments writes the pages as well.
reference: node_modules/.package-lock.json ## Write the reference of the public names: build/reference/index.html.
	@$(NEED_NODE); $(TYPEDOC) --options guards/typedoc.json

docs: build ## Write the pages of docs/ that are made from a run: the matrix of the loops.
	@CONFORMANCE_PAGE=docs/conformance.md node --test --test-reporter=dot \
	  build/test/conformance/conformance.test.js

# Two at a time; the last line tells how long it took. MUTANTS="--rooms ring --count 50 --seed 7" draws others, and
# MUTANTS=--planted takes the bugs of test/mutants/planted.
mutants: build ## Change one place of the library at a time, and see which changes no test notices.
	@node build/test/mutants/run.js $(MUTANTS)

# Both say which of their tools are missing, and go on without what they can spare.
bench: build ## Measure servers and datagrams side by side, for docs/benchmarks.md and docs/datagrams.md: Linux, 15 minutes.
	@node build/bench/benchmark.js --out-dir docs
	@node build/bench/udp.js --rounds 6 --count 60000 --page docs/datagrams.md

bench-quick: build ## The same with few servers into build/bench/benchmarks.md: a minute.
	@node build/bench/benchmark.js --quick --out-dir build/bench

# PICTURES="--load FILE --compare FILE" takes documents of earlier runs.
docs-pictures: build ## Draw the pictures of the reports in docs/pictures: needs Chromium.
	@node build/bench/docs-pictures.js --out-dir docs/pictures $(PICTURES)

clean: ## Remove what build made.
	rm -rf dist build

help: ## List the targets.
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  \1 \2/p' Makefile | \
	  while read -r target words; do printf '  %-13s %s\n' "$$target" "$$words"; done

# npm rewrites this file at the end of every install, which makes it the mark of one. koffi's binary
# comes as a package of its own, so npm's warning that its install script did not run is harmless.
node_modules/.package-lock.json: package-lock.json package.json
	@$(NEED_NODE); npm ci --no-fund --no-audit --loglevel=error || { \
	  echo "sockloop: 'npm ci' could not install the packages in package-lock.json; npm's words are above." >&2; \
	  echo "It needs the npm registry (or a cache of it), and package.json and package-lock.json in step." >&2; \
	  exit 1; }
