# The image of operator and gateway: one static binary, and the agent that gateways hand out to nodes of this processor.
# For nodes of the other one, put its agent into /agents too, as keelson-agent-x86_64 or keelson-agent-aarch64.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends protobuf-compiler mold
WORKDIR /keelson
COPY . .
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN cargo build --release -p keelson-operator --target "$(uname -m)-unknown-linux-gnu" \
    && cp target/*/release/keelson-operator /keelson-operator
RUN scripts/build-agent && mkdir /agents && cp target/agent/keelson-agent "/agents/keelson-agent-$(uname -m)"

FROM scratch
COPY --from=build /keelson-operator /keelson-operator
COPY --from=build /agents /agents
ENV KEELSON_AGENT_DIRECTORY=/agents
USER 65532:65532
ENTRYPOINT ["/keelson-operator"]
