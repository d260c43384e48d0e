# The words of this project. `make run` and `make test` do all their set-up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Many images of containers set it: each of the hundreds of commands that the tests start would compile all of the code anew.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint docs bench peers instructions faults fuzz fuzz-formats console screenshots clean help

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/.run ## set up, then broker, collector and a simulated fleet; Ctrl-C stops all
	@$(BIN)/ueip up --demo

test: $(VENV)/.test ## set up, then all tests; JOBS=n at a time
	@$(BIN)/python -c 'from collector.broker import ensure_mosquitto; ensure_mosquitto(print)'
	@$(BIN)/pytest --numprocesses $${JOBS:-3} --dist loadfile

lint: $(VENV)/.test ## style, types, freshness of what is generated
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m collector.reference --check

docs: $(VENV)/.run ## write anew what is generated from the code
	@$(BIN)/python -m collector.reference

bench: $(VENV)/.test ## speed on this machine, one table, beside a C subscriber that does nothing; WORDS="--quick", --help
	@$(BIN)/python bench/table.py $(WORDS)

peers: $(VENV)/.test ## the collector beside what people would take instead: speed, and what is lost under kill -9
	@$(BIN)/python bench/peers.py $(WORDS)

instructions: $(VENV)/.test ## has a step of the message path become dearer? counted by valgrind, in a minute and a half
	@$(BIN)/python bench/instructions.py

faults: $(VENV)/.test ## 200 rounds of random faults, with a summary; ROUNDS=n, SEED=n (of the first)
	@$(BIN)/python tests/faults/run.py --rounds $${ROUNDS:-200} --seed $${SEED:-1}

fuzz: $(VENV)/.test ## a million inputs for everything that reads what strangers write; INPUTS=n, SEED=n
	@$(BIN)/python tests/fuzz/run.py --inputs $${INPUTS:-1000000} $${SEED:+--seed $$SEED}

fuzz-formats: $(VENV)/.test ## a million inputs for each format of other makers; INPUTS=n, SEED=n
	@$(BIN)/python tests/fuzz/run.py --each --inputs $${INPUTS:-1000000} $${SEED:+--seed $$SEED} \
		--target bulk_data --target usp --target netjson --target goform --target ubus --target collectd

console: $(VENV)/.run ## what the console needs besides, then the console on the demo's stores
	@$(PIP) --editable '.[console]'
	@$(BIN)/ueip console

screenshots: $(VENV)/.test ## the pictures of the console in docs/images, by the system's Chromium
	@$(BIN)/python tests/browser/screenshots.py

clean: ## forget the set-up and the demo's data
	rm -rf $(VENV) .ueip .bench dist build

# Not the interpreter, which is there before the rest: a set-up that was killed begins anew.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: $(VENV)/bin/pip pyproject.toml constraints.txt
	@echo "setting up $(VENV) ..."
	@$(PIP) --editable . || { echo "The packages could not be installed. Is there a network, or a package index set for pip?"; exit 1; }
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo "setting up $(VENV) for tests ..."
	@$(PIP) --editable '.[test]' || { echo "The packages could not be installed. Is there a network, or a package index set for pip?"; exit 1; }
	@touch $@
