// The plan of a handover: two models are compared field by field, and the outcome says how the decode model can go on
// from the prefill model's KV cache, with every reason.
//
//   share       both caches are one: no byte moves
//   translate   the caches differ; the cells are converted from one to the other
//   impossible  no cache of the one can be read by the other
//
// Cells can be converted where they are K and V of single tokens. Any other memory (recurrent state, latent KV, caches
// with an indexer) is shared as it is, and then must be the same in everything it depends on, or not at all.
#pragma once

#include "kv_view.h"
#include "memory_size.h"
#include "model_traits.h"
#include "translator.h"

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

enum class handover_kind { share, translate, impossible };
enum class handover_choice { automatic, share, translate };

const char * handover_kind_name(handover_kind kind);

// One field in which the models or their caches differ, and what follows from it.
struct plan_reason {
    std::string field;       // such as "layers", "headsKv", "ropeBase", "vocabulary"
    std::string prefill;     // the prefill model's value
    std::string decode;      // the decode model's value
    handover_kind leads_to;  // translate or impossible
    std::string message;
    bool served = true;  // false: a translation exists only with a translator that says how
};

struct pair_plan {
    handover_kind kind = handover_kind::share;
    std::vector<plan_reason> reasons;  // empty: the caches are alike
    bool available = true;             // false: some reason is not served
    bool one_model = false;            // the same file twice: one model, one context
    bool one_file = false;             // its weights are loaded once, whatever else differs
    std::string only_shared;           // the name of a memory that cannot be translated; empty: it can
    std::vector<int32_t> layer_map;    // the prefill model's layer for each of the decode model's; empty: the same
    std::vector<std::string> notes;    // differences that do not stand in the way
};

// Compares the models and their vocabularies, every token of them. The translator (an empty one if there is none) has
// been checked against both models.
pair_plan plan_pair(const model_traits & prefill, const llama_vocab * prefill_vocab, const cache_traits & prefill_cache,
                    const model_traits & decode, const llama_vocab * decode_vocab, const cache_traits & decode_cache,
                    const translator & translator = {});

// Throws ERR_PAIR_INCOMPATIBLE or ERR_HANDOVER_UNAVAILABLE, with the plan's reasons, where the plan does not allow what
// was chosen.
void check_handover(const pair_plan & plan, handover_choice choice = handover_choice::automatic);

// A model that this package cannot run at all, alone or in a pair: throws ERR_MODEL_UNSUPPORTED with the reason.
void check_supported(const model_traits & model, const std::string & path);

// For what takes K and V apart: throws ERR_MODEL_UNSUPPORTED for a model that keeps something else, with its name.
// `what` is why it must be K and V, such as "a translator is fitted to KV caches".
void check_plain_kv(const model_traits & model, const std::string & path, const std::string & what);

// The reasons in one line, for error messages; the unserved ones only, if asked for.
std::string summarize(const pair_plan & plan, bool unserved_only = false);

}  // namespace overfill
