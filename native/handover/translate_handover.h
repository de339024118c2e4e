// The translate handover between two contexts: resolves what every layer needs, chooses an implementation, and moves
// one sequence's cells, whole or only from a position on.
#pragma once

#include "handover.h"
#include "translation.h"
#include "translator.h"

#include <llama.h>

#include <memory>
#include <string>

namespace overfill {

enum class implementation_choice { automatic, cpu, graph, cuda, metal };

struct implementation_options {
    implementation_choice choice = implementation_choice::automatic;
    int32_t n_threads = 1;
    std::string cuda_library;  // the file of the CUDA translation library; empty: there is none
};

// The steps from one context's caches to the other's. Throws ERR_HANDOVER_UNAVAILABLE with the layer and the reason
// where there is none (plan_pair has told before).
translation resolve_translation(const llama_context * from, const llama_context * to, const translator & translator);

// The way back, where every step can be undone and every layer of `from`, the plan's source, is reached; otherwise a
// plan without steps.
translation inverse_of(const translation & plan, const llama_context * from);

class translate_handover {
  public:
    // Throws ERR_HANDOVER_UNAVAILABLE if the implementation asked for is not there, ERR_OUT_OF_MEMORY.
    translate_handover(llama_context * from, llama_context * to, translation plan,
                       const implementation_options & options);

    // Makes the sequence in `to` a translation of it in `from`, from position `from_position` on; what `to` holds
    // before that stays. Throws ERR_OUT_OF_MEMORY, ERR_CONTEXT_OVERFLOW, ERR_HANDOVER_UNAVAILABLE (the source does not
    // hold cells that the target needs) or ERR_INFERENCE_FAILED; the sequence in `to` is then empty from that position
    // on, `from` untouched, and another run is possible.
    handover_report run(llama_seq_id sequence, llama_pos from_position = 0);

    // The report of a handover of no tokens.
    handover_report nothing_to_do() const;

    const char * implementation() const { return implementation_->name(); }

  private:
    // Takes cells on the other side.
    translate_job prepare(llama_seq_id sequence, llama_pos from_position);

    llama_context * from_;
    llama_context * to_;
    translation plan_;
    std::unique_ptr<translate_implementation> implementation_;
    std::string reason_;
};

}  // namespace overfill
