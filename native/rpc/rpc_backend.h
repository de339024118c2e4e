// ggml's RPC back end: the devices of other machines, and the server that lends this one's. llama.cpp ends the process
// where a server does not answer, so whoever gives an address has talked to the server before (lib/remote), and keeps
// what matters out of this process.
#pragma once

#include <ggml-backend.h>

#include <string>
#include <vector>

namespace overfill {

// The back end's file beside the addon in `directory`; OVERFILL_RPC_LIBRARY names another. From now on it is loaded
// from there when it is first needed. A build from source has it linked in and needs none.
void set_rpc_directory(const std::string & directory);

// The devices of all servers, in order. An endpoint is an IPv4 address or a name with a port. They are not put into
// ggml's list, so that only a model that names them lies on them, and nobody who asks for the devices of this machine
// waits for a network. Throws ERR_BINDING_LOAD_FAILED, and ERR_REMOTE_INCOMPATIBLE for a server without devices.
std::vector<ggml_backend_dev_t> remote_devices(const std::vector<std::string> & endpoints);

struct rpc_server_options {
    std::string endpoint;         // an IPv4 address with a port
    std::string cache_directory;  // where large tensors are kept, which exists; empty: nowhere
    size_t n_threads = 1;         // of the CPU
    bool use_gpu = true;          // the GPUs that ggml knows, if there are any; else the CPU
};

// Serves one client after another on this thread. Comes back only where it could not begin, with
// ERR_BINDING_LOAD_FAILED or ERR_REMOTE_UNREACHABLE. A client that sends nonsense can end the process.
void run_rpc_server(const rpc_server_options & options);

}  // namespace overfill
