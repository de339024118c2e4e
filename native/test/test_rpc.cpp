// A prefill model on the devices of ggml's RPC server, which runs on a thread of this very program, and ends with it.
#include "check.h"
#include "pair_driver.h"
#include "rpc_backend.h"
#include "writers_case.h"

#include <ggml-backend.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#ifndef _WIN32
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

using namespace overfill;
using namespace overfill::test;

#ifndef _WIN32

namespace {

sockaddr_in loopback(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons((uint16_t) port);
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
}

// One that nobody listens on now.
int free_port() {
    const int handle = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    CHECK(bind(handle, (const sockaddr *) &address, size) == 0);
    CHECK(getsockname(handle, (sockaddr *) &address, &size) == 0);
    close(handle);
    return ntohs(address.sin_port);
}

std::string endpoint(int port) { return "127.0.0.1:" + std::to_string(port); }

bool can_connect(int port) {
    const int handle = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(port);
    const bool ok = connect(handle, (const sockaddr *) &address, sizeof address) == 0;
    close(handle);
    return ok;
}

rpc_server_options options_at(int port) {
    rpc_server_options out;
    out.endpoint = endpoint(port);
    out.use_gpu = false;
    return out;
}

// The port of a server that serves until the program ends.
int serve() {
    const int port = free_port();
    std::thread([port] {
        try {
            run_rpc_server(options_at(port));
        } catch (const std::exception & error) {
            std::fprintf(stderr, "the server ended: %s\n", error.what());
            std::abort();
        }
    }).detach();
    // It cannot tell when it listens.
    while (!can_connect(port)) std::this_thread::yield();
    return port;
}

// Two turns and the rows that were written.
std::vector<logits_row> two_turns(const pair_options & options) {
    pair_driver driver(options);
    std::vector<logits_row> out;
    for (uint32_t turn = 0; turn < 2; turn++) {
        CHECK(driver.prefill(some_tokens(70, turn)));
        CHECK_EQUAL((int) driver.hand_over().kind, (int) handover_kind::translate);
        for (logits_row & row : driver.decode(some_tokens(5, 7 + turn))) out.push_back(std::move(row));
    }
    return out;
}

}  // namespace

// Before anything has loaded the library.
TEST("a library that is not there is told by its path") {
#ifndef OVERFILL_LLAMA_SOURCE
    const char * named = std::getenv("OVERFILL_RPC_LIBRARY");
    const std::string kept = named ? named : "";
    unsetenv("OVERFILL_RPC_LIBRARY");
    set_rpc_directory("/nowhere");
    const std::string message = CHECK_FAILURE(error_code::binding_load_failed, remote_devices({ "127.0.0.1:1" }));
    CHECK(message.find("/nowhere/") != std::string::npos);
    setenv("OVERFILL_RPC_LIBRARY", kept.c_str(), 1);
#endif
    CHECK(remote_devices({}).empty());
}

TEST("a server that cannot listen is a failure") {
    const int port = free_port();
    const int handle = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(port);
    CHECK(bind(handle, (const sockaddr *) &address, sizeof address) == 0);
    CHECK(listen(handle, 1) == 0);
    CHECK_FAILURE(error_code::remote_unreachable, run_rpc_server(options_at(port)));
    close(handle);
}

TEST("the cells of a prefill model elsewhere are those of one here, to the last bit") {
    const writers_case f;
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_Q8_0 }) {
        pair_options options = f.alone(f.small);
        options.handover = handover_choice::translate;
        options.cache_type_k = options.cache_type_v = type;
        // The server multiplies as llama.cpp does.
        options.prefill.use_kernels = false;
        const std::vector<logits_row> here = two_turns(options);
        options.prefill.n_gpu_layers = -1;
        options.prefill.remote = { endpoint(serve()) };
        CHECK(two_turns(options) == here);
    }
}

TEST("layers go to two servers by their shares, and each device has one") {
    const writers_case f;
    pair_options options = f.alone(f.small);
    options.prefill.n_gpu_layers = -1;
    options.prefill.remote = { endpoint(serve()), endpoint(serve()) };
    options.prefill.split = { 1 };
    CHECK_FAILURE(error_code::invalid_argument, pair_driver{ options });
    options.prefill.split = { 1, 1 };
    CHECK_EQUAL(two_turns(options).size(), 10u);
}

TEST("remote devices are not in ggml's list") {
    const size_t n = ggml_backend_dev_count();
    CHECK_EQUAL(remote_devices({ endpoint(serve()) }).size(), 1u);
    CHECK_EQUAL(ggml_backend_dev_count(), n);
}

#endif
