# As users write it who have sources and no image: all that comes from outside is named by arguments.
ARG SOURCES
ARG TOOLS
FROM ${SOURCES} AS sources

FROM ${TOOLS} AS build
ARG KERNEL_FULL_VERSION
ARG MODULES
WORKDIR /usr/src/kmm-ci
COPY --from=sources / .
# Secrets, and the modules of the node that builds, can be seen and are in no image.
RUN grep -q super-secret-string /run/secrets/build-secret/ci-build-secret && \
    test -f "/host/lib/modules/${KERNEL_FULL_VERSION}/modules.dep"
# A file of another user is what images are full of: it takes more than one id to make one.
RUN echo "obj-m := ${MODULES}" > Makefile && \
    make -C "/lib/modules/${KERNEL_FULL_VERSION}/build" M="$PWD" modules && \
    mkdir -p "/opt/lib/modules/${KERNEL_FULL_VERSION}" && \
    cp *.ko "/opt/lib/modules/${KERNEL_FULL_VERSION}" && \
    depmod -b /opt "${KERNEL_FULL_VERSION}" && \
    chown -R 5:5 /opt

FROM scratch
COPY --from=build /opt /opt
