#include "sampler_chain.h"

#include "failure.h"

#include <algorithm>
#include <sampling.h>
#include <stdexcept>

namespace overfill {

// More tokens than the context holds are never there, and the samplers take memory for them.
static int32_t in_context(int32_t n_last, int32_t n_context) {
    return n_last < 0 ? n_context : std::min(n_last, n_context);
}

static common_params_sampling to_params(const chain_options & options, uint32_t seed, int32_t n_context) {
    common_params_sampling params;
    params.seed = seed;
    params.no_perf = true;
    params.temp = options.temperature;
    params.dynatemp_range = options.dynatemp_range;
    params.dynatemp_exponent = options.dynatemp_exponent;
    params.top_k = options.top_k;
    params.top_p = options.top_p;
    params.min_p = options.min_p;
    params.typ_p = options.typical_p;
    params.top_n_sigma = options.top_n_sigma;
    params.xtc_probability = options.xtc_probability;
    params.xtc_threshold = options.xtc_threshold;
    params.penalty_repeat = options.repeat_penalty;
    params.penalty_present = options.presence_penalty;
    params.penalty_freq = options.frequency_penalty;
    params.penalty_last_n = in_context(options.repeat_last_n, n_context);
    params.dry_multiplier = options.dry_multiplier;
    params.dry_base = options.dry_base;
    params.dry_allowed_length = options.dry_allowed_length;
    params.dry_penalty_last_n = in_context(options.dry_penalty_last_n, n_context);
    params.dry_sequence_breakers = options.dry_sequence_breakers;
    params.mirostat = options.is_greedy() ? 0 : options.mirostat;
    params.mirostat_tau = options.mirostat_tau;
    params.mirostat_eta = options.mirostat_eta;
    if (!options.samplers.empty()) params.samplers = common_sampler_types_from_names(options.samplers);
    if (options.is_greedy()) {
        const auto keeps_the_likeliest = [](common_sampler_type type) {
            return type != COMMON_SAMPLER_TYPE_PENALTIES && type != COMMON_SAMPLER_TYPE_DRY &&
                   type != COMMON_SAMPLER_TYPE_XTC;
        };
        params.samplers.erase(std::remove_if(params.samplers.begin(), params.samplers.end(), keeps_the_likeliest),
                              params.samplers.end());
    }
    return params;
}

std::vector<sampler_step> make_sampler_steps(const llama_model * model, const chain_options & options, uint32_t seed,
                                             int32_t n_context) {
    common_params_sampling params = to_params(options, seed, n_context);
    common_sampler_ptr made;
    try {
        made.reset(common_sampler_init(model, params));
    } catch (const std::logic_error & error) {
        // A number that a penalty cannot be, or a sequence breaker that the vocabulary cannot write.
        throw failure(error_code::invalid_argument,
                      std::string("llama.cpp refuses the sampling options: ") + error.what(),
                      { { "parameter", "options" } });
    }
    llama_sampler * chain = common_sampler_get(made.get());
    std::vector<sampler_step> steps;
    while (llama_sampler_chain_n(chain) > 0) {
        llama_sampler_ptr next(llama_sampler_chain_remove(chain, 0));
        const std::string name = llama_sampler_name(next.get());
        if (name[0] != '?' && name != "logit-bias") steps.push_back({ name, std::move(next) });
    }
    if (options.is_greedy()) steps.back() = { "greedy", llama_sampler_ptr(llama_sampler_init_greedy()) };
    return steps;
}

}  // namespace overfill
