# Everything stays inside this folder: uv in .tools, packages in .venv, state in data.
# Needs git, make and Python >= 3.11; the rest comes from the Python package index.

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,$(if $(shell $(p) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo yes),$(p))))
UV := .tools/bin/uv
BIN := .venv/bin
ENGINES := .engines/venv

export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV

PASSERELLE_PORT ?= 8080
export PASSERELLE_PORT

.PHONY: run test test-processes test-strangers test-chaos test-long test-engines demo-costs soak check format install bench schema clean

run: install ## the service on 127.0.0.1:8080, nothing else to install
	@exec $(BIN)/passerelle serve --demo

test: install ## everything that must hold: style, types, layers, tests
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

PASSERELLE_KILL_ROUNDS ?= 40
PASSERELLE_KILL_SEEDS ?= 1,2,3

test-long: install ## the tests that kill, for minutes; a failure names its seed in brackets
	PASSERELLE_KILL_ROUNDS=$(PASSERELLE_KILL_ROUNDS) PASSERELLE_KILL_SEEDS=$(PASSERELLE_KILL_SEEDS) $(BIN)/pytest --dist load tests/kill

test-processes: install ## from end to end, and whole processes: their lives, several of them, their workers, what they drain
	$(BIN)/pytest tests/e2e tests/processes

test-strangers: install ## what LangChain's authors test of models, embeddings, stores and retrievers, over ours
	$(BIN)/pytest -n 0 -o addopts= -p no:codspeed -p no:socket -p no:langsmith_plugin --benchmark-disable -q -rsx tests/strangers

test-chaos: install ## the program among failing databases, engines and callers, killed at any point, and a short soak
	$(BIN)/pytest tests/chaos tests/kill

test-engines: install $(ENGINES)/.synced ## through the gateway to a server nobody here wrote
	$(BIN)/pytest -n 0 tests/engines

check: install ## the shipped configuration, and its documents of data protection
	$(BIN)/passerelle check
	$(BIN)/passerelle dpa check

format: install ## mend what can be mended by machine
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

schema: install ## write the JSON Schema of providers.yaml again
	$(BIN)/passerelle schema > docs/providers.schema.json

demo-costs: install ## a month of generated traffic, its reports in data/demo-costs, and the same figures again without the ledger
	$(BIN)/python -m tools.demo_costs

soak: install ## the service for ten minutes under more than it can serve; SOAK_SECONDS, SOAK_WORKERS=2 with Redis; figures in data/soak
	$(BIN)/python -m tools.soak

bench: install ## CPU per request beside LiteLLM's proxy, see benchmarks/README.md
	$(BIN)/python -m benchmarks prepare litellm
	$(BIN)/python -m benchmarks run

install: .venv/.synced

.venv/.synced: uv.lock pyproject.toml | $(UV)
	@echo "Installing the locked packages into .venv ..."
	@$(UV) sync --locked --all-extras --quiet --python "$$(command -v $(PYTHON))"
	@touch $@

# Apart from ours: it needs other versions, and a gigabyte. pip, because uv does not read where pip was told to look.
$(ENGINES)/.synced: tests/engines/requirements.txt tests/engines/torch.txt | $(UV)
	@echo "Installing the servers that tests drive into .engines (a gigabyte or more) ..."
	@$(UV) venv --quiet --clear --seed --python "$$(command -v $(PYTHON))" $(ENGINES)
	@$(ENGINES)/bin/python -m pip install -qq --disable-pip-version-check --only-binary :all: --require-hashes --no-deps -r tests/engines/requirements.txt
	@$(ENGINES)/bin/python -m pip install -qq --disable-pip-version-check --only-binary :all: -r tests/engines/torch.txt
	@touch $@

# With the standard library's venv, or with pip alone where ensurepip is missing.
$(UV): tools/uv.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found. Install it, or name one: make PYTHON=/path/to/python3 ..." >&2; exit 2; }
	@rm -rf .tools
	@if $(PYTHON) -c "import venv, ensurepip" 2>/dev/null; then \
	  $(PYTHON) -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r tools/uv.txt; \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --target .tools/lib -r tools/uv.txt && \
	  mkdir -p .tools/bin && ln -sf ../lib/bin/uv $(UV); \
	else \
	  echo "This Python has neither venv nor pip. Install one of them (on Debian: apt install python3-venv)." >&2; exit 2; \
	fi
	@touch $@

clean: ## forget everything installed; data stays
	rm -rf .venv .tools .engines .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
