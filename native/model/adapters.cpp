#include "adapters.h"

#include "adapter_file.h"
#include "failure.h"
#include "llama_log.h"
#include "output_paths.h"

#include <algorithm>
#include <cmath>

namespace overfill {

static bool same_adapter_file(const adapter_options & a, const adapter_options & b) {
    return a.path == b.path || same_file(a.path, b.path);
}

bool same_adapters(const std::vector<adapter_options> & a, const std::vector<adapter_options> & b) {
    const auto in_b = [&](const adapter_options & one) {
        return std::any_of(b.begin(), b.end(), [&](const adapter_options & other) {
            return one.scale == other.scale && same_adapter_file(one, other);
        });
    };
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), in_b);
}

static std::shared_ptr<llama_adapter_lora> load(llama_model * model, const std::string & path) {
    const log_capture log;
    if (adapter_ptr made{ llama_adapter_lora_init(model, path.c_str()) }) return made;
    throw failure(error_code::model_load_failed, path + " could not be loaded: " + log.errors(), { { "path", path } });
}

adapter_list load_adapters(llama_model * model, const std::vector<adapter_options> & options, const char * side,
                           load_depth depth, const adapter_list & shared, const std::function<bool()> & go_on) {
    const std::string parameter = std::string(side) + ".adapters";
    adapter_list out;
    for (const adapter_options & option : options) {
        if (!go_on()) throw failure(error_code::aborted, "the load was aborted");
        if (!std::isfinite((float) option.scale))
            throw failure(error_code::invalid_argument,
                          "the scale of " + option.path + " is not a number that f32 holds",
                          { { "parameter", parameter }, { "path", option.path } });
        adapter next;
        const adapter_file file = check_adapter_file(option.path, model);
        next.facts = { option, file.alpha, file.rank };
        const auto is_same = [&](const adapter & other) { return same_adapter_file(other.facts.from, option); };
        // llama.cpp would take one of the two factors.
        if (std::any_of(out.begin(), out.end(), is_same))
            throw failure(error_code::invalid_argument, "the adapter " + option.path + " is named twice",
                          { { "parameter", parameter }, { "path", option.path } });
        if (depth == load_depth::weights) {
            const auto found = std::find_if(shared.begin(), shared.end(), is_same);
            next.loaded = found != shared.end() ? found->loaded : load(model, option.path);
        }
        out.push_back(std::move(next));
    }
    return out;
}

std::vector<adapter_facts> facts_of(const adapter_list & adapters) {
    std::vector<adapter_facts> out;
    for (const adapter & one : adapters) out.push_back(one.facts);
    return out;
}

void use_adapters(llama_context * ctx, const adapter_list & adapters) {
    std::vector<adapter_in_use> in_use;
    for (const adapter & one : adapters)
        in_use.push_back({ one.facts.from.path, one.loaded.get(), (float) one.facts.from.scale });
    use_adapters(ctx, in_use);
}

}  // namespace overfill
