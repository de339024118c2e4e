// The models of a pair, loaded as far as is asked for, and each decode model compared with the prefill model.
#pragma once

#include "adapters.h"
#include "models.h"
#include "options.h"
#include "pair_plan.h"
#include "translator.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

// A decode model beside the prefill model.
struct compared_writer {
    std::string name;
    std::shared_ptr<llama_model>
        model;  // null: the prefill model and its context write; its weights where one file is both
    model_traits traits;
    pair_plan plan;
    translator how;         // empty: nothing but what the models tell
    adapter_list adapters;  // where the prefill context writes: those of the prefill model
};

struct compared_models {
    std::shared_ptr<llama_model> prefill;
    model_traits prefill_traits;
    // Loaded as far as the models are; they go before the models.
    adapter_list prefill_adapters;
    std::vector<compared_writer> writers;  // as pair_options::writers
};

// Loads all models and their adapters as far as `depth` says, the weights of one file once, and compares them. Throws
// what load_model and load_adapters throw.
compared_models load_and_compare(const pair_options & options, load_depth depth,
                                 const std::function<bool(float)> & on_progress);

// Does something for a decode model. If it has been given a name, what is thrown tells it.
void for_writer(const pair_options & options, const std::string & name, const std::function<void()> & work);

}  // namespace overfill
