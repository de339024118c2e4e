#include "lora_adapters.h"

#include "failure.h"
#include "llama-adapter.h"
#include "llama-context.h"
#include "llama-graph.h"
#include "llama-model.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace overfill {

std::optional<tensor_facts> find_tensor(const llama_model * model, const std::string & name) {
    const ggml_tensor * tensor = model->get_tensor(name.c_str());
    if (!tensor) return std::nullopt;
    return tensor_facts{ { tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3] }, tensor->type };
}

std::string architecture_of(const llama_model * model) { return model->arch_name(); }

bool has_tied_output(const llama_model * model) {
    return !model->output || std::strcmp(ggml_get_name(model->output), "output.weight") != 0;
}

// A weight that a device reads from another's memory is a copy in the graph, named DEVICE#NAME#NUMBER.
static std::string plain_name(const ggml_tensor * tensor) {
    const std::string name = ggml_get_name(tensor);
    const size_t begin = name.find('#'), end = name.rfind('#');
    return begin == end ? name : name.substr(begin + 1, end - begin - 1);
}

// The worst-case graph, as it was last reserved.
static ggml_cgraph * reserved_graph(llama_context * ctx) { return ctx->get_gf_res_reserve()->get_gf(); }

// Every use of an adapted weight becomes two products, a scaling and an addition. llama.cpp makes room for that by the
// number of adapted tensors, in most architectures; a graph that runs out of nodes is an assertion.
static void check_room(llama_context * ctx, const std::vector<adapter_in_use> & adapters) {
    const std::string architecture = architecture_of(&ctx->get_model());
    ggml_cgraph * graph = reserved_graph(ctx);
    const size_t n_base = (size_t) ggml_graph_n_nodes(graph);
    size_t n_more = 0;
    for (const adapter_in_use & use : adapters)
        for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
            const ggml_tensor * node = ggml_graph_node(graph, i);
            if (node->src[0] && use.adapter->ab_map.count(plain_name(node->src[0])) > 0) n_more += 4;
        }
    const llama_cparams & cparams = ctx->get_cparams();
    const size_t n_most = ctx->graph_max_nodes(std::min(cparams.n_ctx, cparams.n_ubatch));
    // The eighth is for batches whose graph has a few nodes more than the reserved one.
    if (n_base + n_base / 8 + n_more <= n_most) return;
    throw failure(error_code::model_unsupported,
                  "llama.cpp's graphs of " + architecture + " have no room for " + std::to_string(adapters.size()) +
                      " adapters; merge some of them into the model",
                  { { "path", adapters.back().path }, { "architecture", architecture } });
}

// Not every product of every architecture looks for adapters.
static void check_effect(llama_context * ctx, const std::vector<adapter_in_use> & adapters) {
    const std::string architecture = architecture_of(&ctx->get_model());
    ggml_cgraph * graph = reserved_graph(ctx);
    std::unordered_set<std::string> read;
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++)
        for (const ggml_tensor * source : ggml_graph_node(graph, i)->src)
            if (source) read.insert(plain_name(source));
    for (const adapter_in_use & use : adapters) {
        if (use.scale == 0) continue;
        for (const auto & [name, weight] : use.adapter->ab_map)
            if (read.count(ggml_get_name(weight.a)) == 0)
                throw failure(error_code::model_unsupported,
                              use.path + " changes " + name + ", which llama.cpp computes without adapters in " +
                                  architecture + " models; merge the adapter into the model",
                              { { "path", use.path }, { "tensor", name }, { "architecture", architecture } });
    }
}

void use_adapters(llama_context * ctx, const std::vector<adapter_in_use> & adapters) {
    if (adapters.empty()) return;
    check_room(ctx, adapters);
    std::vector<llama_adapter_lora *> loaded;
    std::vector<float> scales;
    for (const adapter_in_use & use : adapters) {
        loaded.push_back(use.adapter);
        scales.push_back(use.scale);
    }
    llama_set_adapters_lora(ctx, loaded.data(), loaded.size(), scales.data());
    try {
        ctx->sched_reserve();
    } catch (const std::exception & error) {
        throw failure(error_code::out_of_memory,
                      std::string("not enough memory for the compute buffers of an adapted model: ") + error.what());
    }
    check_effect(ctx, adapters);
}

}  // namespace overfill
