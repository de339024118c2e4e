// The full model beside a training: it reads what the student is not to read, and its cache is handed over as a pair's
// would be (share map, layer map or linear maps); its logits are there to distil from.
#pragma once

#include "models.h"
#include "train_batch.h"
#include "translator.h"
#include "translator_file.h"

#include <llama.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

// What a teacher's rows are: the student's cache, or, where the translator has a linear map, what that map takes.
enum class prefix_rows { handed_over, before_maps };

class teacher {
  public:
    // `student_path`: the model whose cache is wanted; empty: logits only. `translator_path`: a translator file; empty:
    // what the student's metadata says (overfill.layer_map, overfill.translator), else its plain layers. `n_tokens`: of
    // an example at most. Throws the codes of load_model; ERR_PAIR_INCOMPATIBLE (other vocabularies),
    // ERR_HANDOVER_UNAVAILABLE, the translator's codes, ERR_OUT_OF_MEMORY.
    teacher(const model_options & full, const std::string & student_path, const std::string & translator_path,
            uint32_t n_tokens, int32_t n_threads, const std::atomic<bool> & stop,
            prefix_rows rows = prefix_rows::handed_over);
    ~teacher();

    // How the cache is handed over; an empty translator for a student that takes the full model's layers as they are.
    const translator & how() const;
    ggml_type weight_type() const;  // of the file that the maps came from

    const llama_vocab * vocab() const;  // the full model's

    // The student's cache of these tokens, at positions 0 to n - 1, or what its maps take. Tokens that the last call
    // began with as well are not read again. The same tokens give the same bits whatever was read before. Throws
    // error_code::aborted, ERR_CONTEXT_OVERFLOW, ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY; the next call is then as good
    // as any.
    cached_prefix read(const std::vector<llama_token> & tokens);

    // The full model's logits at each of `tokens`, behind `prefix`: [tokens.size()][n_vocab]. As `read` otherwise; both
    // together are at most `n_tokens`.
    std::vector<float> logits(const std::vector<llama_token> & prefix, const std::vector<llama_token> & tokens);

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace overfill
