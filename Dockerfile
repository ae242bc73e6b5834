# The connector as the Flow runtime starts it: messages on stdin and stdout, logs on stderr.
#
#   docker build -t materialize-kafka .
#   docker run --rm -i materialize-kafka --help
#
# Rust's version is that of rust-toolchain.toml, which .ci/run compares. That file itself stays
# outside (.dockerignore): it asks for rustfmt and clippy as well, which rustup would fetch.
FROM rust:1.95.0-bookworm AS build
WORKDIR /build

# The dependencies alone, built around an empty crate: this layer is made again only when
# Cargo.toml or Cargo.lock changes. Benchmarks, tests and examples are not in the context,
# so the sections that name them are left out of the manifest.
COPY Cargo.toml Cargo.lock ./
RUN awk '/^\[/ { skip = /^\[\[(bench|test|example)\]\]/ } !skip' Cargo.toml > Cargo.part \
 && mv Cargo.part Cargo.toml \
 && mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked \
 && cargo clean --release --locked --package materialize-kafka \
 && rm -r src

COPY src src
RUN cargo build --release --locked --bin materialize-kafka


FROM debian:bookworm-slim

# The authorities for `tls: system_certificates` and for registries behind https.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

RUN useradd --uid 65532 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin flow

COPY --from=build /build/target/release/materialize-kafka /usr/local/bin/materialize-kafka

LABEL FLOW_RUNTIME_PROTOCOL=materialize \
      FLOW_RUNTIME_CODEC=proto \
      org.opencontainers.image.title="materialize-kafka" \
      org.opencontainers.image.description="Publishes the documents of Estuary Flow collections to Apache Kafka topics, as JSON or Avro"

# By number, so that a cluster which insists on users other than root can see it is one.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/materialize-kafka"]
