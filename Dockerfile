# Opossum in a container, at home or as a Hugging Face Space (sdk: docker).
#
#   docker build -t opossum .
#   docker run --rm -p 8501:8501 opossum                       then open http://localhost:8501
#   docker run --rm -p 8501:8501 -v opossum-runs:/home/user/runs opossum     keeps the runs
#
# With GPT-2 in it (a pinned revision, safetensors, about 350 MB), and as the model that sessions begin with:
#
#   docker build -t opossum --build-arg BAKE=distilgpt2 .
#   docker run --rm -p 8501:8501 -e OPOSSUM_MODEL=distilgpt2 opossum
ARG BASE=python:3.11-slim
FROM ${BASE}

# A Space runs its container as user 1000; so do we everywhere.
RUN useradd --create-home --uid 1000 user
USER user
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1
WORKDIR /home/user/app

# No __pycache__ anywhere (a sixth of the image): what is used is compiled once, when the container first starts.
# torch first and alone, from PyTorch's CPU index and from nowhere else: 2.13.0+cpu satisfies the plain pin, and the image stays
# gigabytes smaller. Where that index is away, the build fails here rather than fetch the CUDA build from the other one.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY --chown=user requirements.txt requirements-linux.lock ./
RUN PIP_EXTRA_INDEX_URL= pip install --user --no-compile --no-deps --index-url "$TORCH_INDEX" "$(grep -o '^torch==[0-9.]*' requirements.txt)" \
    && pip install --user --no-compile --no-deps --require-hashes -r requirements-linux.lock

# More for a server of many, as requirements-server.txt (PostgreSQL, S3); nothing by default.
ARG EXTRAS=""
COPY --chown=user requirements*.txt ./
RUN if [ -n "$EXTRAS" ]; then pip install --user --no-compile -r "$EXTRAS"; fi

COPY --chown=user . .
RUN mkdir -p /home/user/runs

# Names of models on the list in rlhf_core/lm/model_list.py, fetched now; none by default. A name that is not on it, or no connection, fails the build.
ARG BAKE=""
RUN python -B -m rlhf_core.lm.download $BAKE

# The bundled model, and what was baked, is all a container needs, so it never asks the hub. The frame that a Space is shown in blocks the XSRF
# cookie, which would break uploads: that protection is off here, in the container only. CORS protection stays on.
ENV HF_HUB_OFFLINE=1 \
    OPOSSUM_RUNS=/home/user/runs \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION=false
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 CMD ["python", "scripts/healthy.py"]
# The server takes SIGTERM itself (ui/ending.py) and is over within five seconds, so it needs no init before it.
CMD ["python", "-m", "streamlit", "run", "serve.py"]
