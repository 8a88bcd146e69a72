# camkit in a container, on the CPU or beside an NVIDIA GPU:
#
#   docker build -t camkit .
#   docker build -t camkit:cuda --build-arg WHEELS=cu128 .
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" camkit demo
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" --gpus all --ipc host camkit:cuda \
#       localize --model efficientnet-lite0 --images photos/
#
# --user makes the results yours: the container's own user may not write to your folder. The CUDA wheels bring their own
# CUDA libraries; the host needs NVIDIA's driver and container toolkit. --ipc host gives processes that read images their
# shared memory.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# Which of PyTorch's wheels: cpu, or cu126, cu128 and so on, as https://pytorch.org/get-started/locally/ lists them.
ARG WHEELS=cpu
ARG EXTRAS=imagenet

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

# By itself, because it is large and changes seldom.
RUN pip install --index-url "https://download.pytorch.org/whl/${WHEELS}" torch torchvision

COPY . /src
RUN pip install "/src[${EXTRAS}]" && rm -rf /src

# Not as root, and any user may write to this home: weights that are downloaded go to its .cache.
RUN useradd --create-home camkit && chmod 1777 /home/camkit
ENV HOME=/home/camkit
USER camkit
WORKDIR /work
ENTRYPOINT ["camkit"]
CMD ["--help"]
