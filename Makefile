# Every target does its own set-up: a virtual environment in .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready
DEMO   ?=

.PHONY: help setup demo test test-threads fuzz soak test-scatter test-sampling test-peers test-mmseg doctest lint format type check \
        docs docs-check benchmark benchmark-gpu study families nodes photograph compare paper spectral-study probe-zoo clean
help:           ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(READY) ## install everything into .venv
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (PyTorch is large: a few minutes, once) ..."
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)  ## train, compare, analyse: results in runs/demo
	$(RUN) -m experiments.demo $(DEMO)

test: $(READY)  ## all tests and doctests
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

N    ?= 10000
SEED ?= 0
fuzz: $(READY)  ## look for faults in N random examples from SEED; a failing one is printed as a test (a quarter of an hour)
	OMP_NUM_THREADS=1 $(RUN) -m tests.fuzz.run $(N) $(SEED)

KILLS ?= 20
soak: $(READY)  ## kill KILLS trainings at random moments drawn from SEED; each must go on bit for bit (a quarter of an hour)
	OMP_NUM_THREADS=1 $(RUN) -m tests.soak $(KILLS) $(SEED)

test-threads: $(READY) ## the laws of filters and of spectra with two threads: PyTorch's kernels differ there
	OMP_NUM_THREADS=2 $(RUN) -m pytest -q tests/filters --ignore=tests/filters/test_own_filters.py \
	  --ignore=tests/filters/test_frames.py --ignore=tests/filters/test_banks.py tests/spectral/test_spectrum.py tests/spectral/test_krylov.py \
	  tests/spectral/test_fourier.py tests/spectral/test_density.py tests/spectral/test_measures.py

# PyG uses torch-scatter where it finds it, and samples neighbours by torch-sparse: neither has wheels on the package
# index. The tests with both run from a folder of its own, beside those without.
SCATTER := $(VENV)/scatter
BUILD   := MAX_JOBS=2 $(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --target $(SCATTER)
$(SCATTER)/torch_scatter: $(READY)
	@$(RUN) -m pip install --quiet --disable-pip-version-check setuptools wheel -c constraints.txt
	@test -d $@ || $(BUILD) 'torch-scatter>=2.1.2'
	@touch $@

test-scatter: $(SCATTER)/torch_scatter ## tests of sparse graphs with torch-scatter, which is built from source (minutes, once)
	PYTHONPATH=$(SCATTER) $(RUN) -c "import torch_geometric.typing as t; assert t.WITH_TORCH_SCATTER"
	PYTHONPATH=$(SCATTER) OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -q tests/shifts/test_sparse.py tests/interop/test_pyg.py

test-sampling: $(SCATTER)/torch_scatter ## the test of PyG's NeighborLoader, for which torch-sparse is built too (ten minutes, once)
	@test -d $(SCATTER)/torch_sparse || $(BUILD) 'torch-sparse>=0.6.18'
	PYTHONPATH=$(SCATTER) $(RUN) -c "import torch_geometric.typing as t; assert t.WITH_TORCH_SPARSE"
	PYTHONPATH=$(SCATTER) OMP_NUM_THREADS=1 $(RUN) -m pytest -q tests/interop/test_pyg.py

# mmcv asks for a desktop's OpenCV and for training tools; its blocks need neither, so it stands in a folder of its own,
# and mmsegmentation beside it, whose last release takes mmcv below 2.2.
PEERS := $(VENV)/peers
$(PEERS)/.ready: $(READY)
	@rm -rf $(PEERS)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --target $(PEERS) -c constraints.txt \
	  mmcv-lite mmengine addict yapf termcolor opencv-python-headless mmsegmentation ftfy prettytable wcwidth \
	  onnx onnx-ir onnxscript onnxruntime ml_dtypes flatbuffers peft accelerate torchinfo \
	  segmentation-models-pytorch pygsp
	@touch $@

test-peers: $(PEERS)/.ready ## tests against mmcv's own blocks and PyGSP, in onnxruntime and in smp, which are installed beside the environment
	PYTHONPATH=$(PEERS) $(RUN) -c "from mmcv.cnn import NonLocal2d"
	PYTHONPATH=$(PEERS) OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -q tests/interop/test_foreign_blocks.py \
	  tests/probe/test_probe.py tests/probe/test_readers.py tests/library/test_onnx.py tests/library/test_adapters.py \
	  tests/insert/test_recipes.py tests/experiments/test_toolkits.py

test-mmseg: $(PEERS)/.ready ## a training, every config and the heads in the real mmsegmentation, installed beside the environment
	PYTHONPATH=$(PEERS) $(RUN) -W ignore -c "import mmseg"
	PYTHONPATH=$(PEERS) OMP_NUM_THREADS=1 $(RUN) -m pytest -q tests/interop/test_mmseg.py

# Its tools come into the same environment: the site imports the library and runs its examples.
DOCS := $(VENV)/.docs
$(DOCS): $(READY)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

docs: $(DOCS)   ## the documentation site into docs/_build/html; a warning is an error (minutes)
	OMP_NUM_THREADS=1 $(RUN) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

docs-check: docs ## links, names, examples and pages of the site in a headless Chromium; the examples in docstrings
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n 2 docs/checks
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n 2 filters gsp_nonlocal

doctest: $(READY) ## the examples in docstrings alone
	$(RUN) -m pytest -q filters gsp_nonlocal

lint: $(READY)  ## style
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(READY) ## bring the code into style
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

type: $(READY)  ## static types
	$(RUN) -m mypy

check: lint type test ## what CI and the hooks run

# The C library gives freed memory back between steps and faults it in again: up to a third of a small step,
# and at random. The benchmark lets it keep what is below its own limit for the heap (32 MiB a block).
ALLOCATOR ?= MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_MMAP_THRESHOLD_=33554432

COMPARE ?=
benchmark: $(PEERS)/.ready ## time and memory against dense textbook forms, mmcv, PyG, PyGSP and the floor; COMPARE=1 names what became slower
	PYTHONPATH=$(PEERS) $(ALLOCATOR) $(RUN) -m experiments.benchmark $(if $(COMPARE),--compare experiments/results/benchmark.json)

benchmark-gpu: $(READY) ## the same questions on the CUDA device of this machine, into docs/benchmarks_gpu.md
	$(RUN) -m experiments.benchmark.gpu

study: $(READY) ## cued scenes: every model, three seeds on which nothing was tuned (about an hour)
	$(RUN) -m experiments.study --cue colour class --seeds 3 4 5

families: $(READY) ## cued scenes: every filter family, three seeds (half an hour)
	$(RUN) -m experiments.families --seeds 3 4 5

nodes: $(READY) ## node classification from few labels: every family and PyG's convolutions, ten seeds (twenty minutes)
	$(RUN) -m experiments.nodes
	$(RUN) -m experiments.nodes --tasks "karate club" --networks arma cayley rational

# scikit-image stands in a folder of its own: only the comparison with its nonlocal means needs it.
PHOTOGRAPH := $(VENV)/photograph
$(PHOTOGRAPH)/.ready: $(READY)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --target $(PHOTOGRAPH) scikit-image lazy_loader imageio tifffile
	@touch $@

photograph: $(PHOTOGRAPH)/.ready ## a photograph cleaned and filled in on its own graph, beside nonlocal means (four minutes)
	PYTHONPATH=$(PHOTOGRAPH) OMP_NUM_THREADS=1 $(RUN) -m experiments.photograph

compare: $(READY) ## cued scenes and digits: every known block, three seeds (an hour and a half)
	$(RUN) -m experiments.compare --seeds 3 4 5

DATASET  ?= cifar10
DATA     ?= data
BACKBONE ?= preresnet20
BLOCKS   ?= none snl nl ns a2 cgnl cc dnl anl gc
SEEDS    ?= 0 1 2
EXECUTOR ?= here
EXTRA    ?=
paper: $(READY) ## DATASET by BACKBONE with each of BLOCKS, by each of SEEDS, from DATA; EXECUTOR, EXTRA="--epochs 20 -- --data.num_workers=4"
	$(RUN) -m experiments.paper --dataset $(DATASET) --data $(DATA) --backbone $(BACKBONE) --blocks $(BLOCKS) \
	  --seeds $(SEEDS) --executor $(EXECUTOR) $(EXTRA)

spectral-study: $(READY) ## what graph each block learns: trains each on cued scenes, renews docs/study.md (half an hour)
	$(RUN) -m experiments.spectral_study

# diffusers stands in a folder of its own, without the clients of its hub that it does not need here.
ZOO := $(VENV)/zoo
$(ZOO)/.ready: $(READY)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --target $(ZOO) diffusers importlib_metadata zipp requests
	@touch $@

probe-zoo: $(ZOO)/.ready ## every attention of models of timm, transformers, torchvision and diffusers under the probe (a few minutes)
	PYTHONPATH=$(ZOO) OMP_NUM_THREADS=1 $(RUN) -m experiments.probe_zoo

clean:          ## remove runs and caches
	rm -rf runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache docs/_build docs/auto_gallery docs/reference docs/references.rst
