// Decode models made of a tiny model of any architecture.
#pragma once

#include <llama.h>

#include <string>

namespace overfill::test {

// q8_0, or of that type, where the rows allow it; llama.cpp takes another type for the others. Returns its path. Throws
// std::runtime_error.
std::string quantised_copy(const std::string & path, const std::string & folder,
                           llama_ftype type = LLAMA_FTYPE_MOSTLY_Q8_0);

// Half of the width and of the feed-forward width, or of the latter alone where the architecture ties the width to the
// heads. Tensors that the pruner does not know are left out: the tiny models have all that are optional. Throws
// ERR_PRUNE_UNSUPPORTED for a model that cannot be pruned though the pruner knows its architecture.
struct pruned_model {
    std::string path;  // empty: it does not know it
    bool feed_forward_only = false;
};
pruned_model pruned_copy(const std::string & path, const std::string & folder);

}  // namespace overfill::test
