//! Generates the gRPC code from `keelson.proto` (needs `protoc`, Debian package `protobuf-compiler`).

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=keelson.proto");
    tonic_prost_build::configure().compile_protos(&["keelson.proto"], &["."])
}
