//! The protocol between `keelson-agent` and the gateway, generated from `keelson.proto`, and the few
//! constants both ends must agree on.

/// Messages and services of package `keelson.v1`.
#[allow(missing_docs, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("keelson.v1");
}

/// The name in the gateway's certificate, whatever address it is reached by.
pub const GATEWAY_SERVER_NAME: &str = "keelson-gateway";

/// The most bytes one `PutOutput` call carries.
pub const MAX_OUTPUT_PIECE: usize = 1024 * 1024;

/// The most bytes of the agent's program that one message of `GetAgent` carries.
pub const MAX_AGENT_PIECE: usize = 256 * 1024;

/// What stands before the version in the agent's program, so that it can be read without being run: a gateway hands
/// out programs for other processors too. A line break ends the version.
pub const AGENT_VERSION_MARK: &str = "keelson-agent program, version ";

/// The largest message either side accepts: an output piece or a 1 MiB document, with room for its frame.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;
