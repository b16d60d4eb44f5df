# Conveniences beside the two commands of the README; .venv is the environment of both.

.PHONY: run examples test test-fast test-slow test-exhaustive test-browser test-postgres pictures check bench proofs torture docs lock

run: .venv/run
	.venv/bin/python -m flows.train_and_eval

# All of data/examples in full, a few minutes each at most; a model that its gate refuses fails.
examples: .venv/run
	set -e; for example in data/examples/*.toml; do \
		.venv/bin/python -m flows.train_and_eval --config $$example --require-promotion; done

test: .venv/test
	.venv/bin/python -m pytest

# What loads neither TensorFlow nor a server, starts no process and takes less than a second a test.
test-fast: .venv/test
	.venv/bin/python -m pytest --fast

test-slow: .venv/test
	.venv/bin/python -m pytest -m slow

# All kinds of models, and examples in full.
test-exhaustive: .venv/test
	.venv/bin/python -m pytest -m exhaustive

# Needs Debian's chromium and chromium-driver.
test-browser: .venv/test
	.venv/bin/python -m pytest -m browser

# Needs Debian's postgresql.
test-postgres: .venv/test
	.venv/bin/python -m pytest -m postgres

# The screenshots of the docs, taken anew by the browser test.
pictures: .venv/test
	SEQ2SEQ_PICTURES=docs/images .venv/bin/python -m pytest -m browser

check: .venv/test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/bench
	.venv/bin/python tests/benchmarks/run.py --json bench.json

# All of docs/results.md, five seeds each: hours. One alone: python -m tests.proofs.run NAME.
proofs: .venv/test
	.venv/bin/python -m tests.proofs.run --page docs/results.md

# What is done to the program on purpose, twenty minutes; LONG=1 until it is stopped, and then from there.
torture: .venv/test
	.venv/bin/python -m tests.torture.run $(if $(LONG),--long) --page docs/reliability.md

docs: .venv/test
	.venv/bin/python -m flows._cli.reference > docs/settings.md
	.venv/bin/python docs/draw_architecture.py > docs/images/architecture.svg
	.venv/bin/python docs/write_api.py > docs/api.md
	.venv/bin/python -m tests.helpers.own_data_matrix

# A stamp for each lock: an environment is made again when its lock has changed.
.venv/run: requirements.lock
	python3 -m venv .venv
	.venv/bin/pip install --quiet --no-deps -r requirements.lock
	touch $@

.venv/test: requirements-dev.lock
	python3 -m venv .venv
	.venv/bin/pip install --quiet --no-deps -r requirements-dev.lock
	touch $@ .venv/run

.venv/bench: requirements-bench.lock
	python3 -m venv .venv
	.venv/bin/pip install --quiet --no-deps -r requirements-bench.lock
	touch $@ .venv/test .venv/run

# Needs uv. One resolution for all supported Pythons, without addresses of any registry.
COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet
lock:
	$(COMPILE) --extra train -o requirements.lock
	$(COMPILE) -c requirements.lock -o requirements-predict.lock
	$(COMPILE) --extra train --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --extra train --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock
