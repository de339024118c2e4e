// Which models a pair is of, as a file tells it: a session goes on with the same ones only.
#pragma once

#include "options.h"

#include <string>
#include <utility>
#include <vector>

namespace overfill {

// One model of a pair: facts by their names, such as the model's fingerprint and its adapters.
struct side_identity {
    std::string name;
    std::vector<std::pair<std::string, std::string>> facts;
};

// The prefill model alone; throws the same.
side_identity identify_prefill(const pair_options & options);

// By pair_side: the prefill model, and the decode models. Reads the files, and throws what model_fingerprint throws.
std::vector<side_identity> identify(const pair_options & options, const pair_info & info);

}  // namespace overfill
