# The image of operator and gateway: one static binary.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends protobuf-compiler mold
WORKDIR /keelson
COPY . .
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN cargo build --release -p keelson-operator --target "$(uname -m)-unknown-linux-gnu" \
    && cp target/*/release/keelson-operator /keelson-operator

FROM scratch
COPY --from=build /keelson-operator /keelson-operator
USER 65532:65532
ENTRYPOINT ["/keelson-operator"]
