#include "two_stage_loss.h"

namespace overfill {

static void score(token_reader & decode, const std::vector<llama_token> & chunk, llama_pos position, loss_sum & sum) {
    const uint32_t n_prompt = two_stage_loss::prompt_size(chunk), n = (uint32_t) chunk.size() - n_prompt;
    sum.nats += decode.read_and_score(chunk.data() + n_prompt, n, position);
    sum.n_tokens += n - 1;
}

two_stage_loss::two_stage_loss(token_reader & prefill, token_reader & decode, const translator & translator,
                               int32_t n_threads)
    : prefill_(prefill), decode_(decode),
      handover_(prefill.context(), decode.context(),
                resolve_translation(prefill.context(), decode.context(), translator),
                implementation_options{ implementation_choice::automatic, n_threads, "" }) {}

void two_stage_loss::add(const std::vector<llama_token> & chunk, bool is_read) {
    const uint32_t n_prompt = prompt_size(chunk);
    if (!is_read) {
        prefill_.clear();
        prefill_.read(chunk.data(), n_prompt, 0);
    }
    decode_.clear();
    handover_.run(0);
    score(decode_, chunk, (llama_pos) n_prompt, sum_);
}

void add_loss_alone(token_reader & decode, const std::vector<llama_token> & chunk, bool with_prompt, loss_sum & sum) {
    const uint32_t n_prompt = two_stage_loss::prompt_size(chunk);
    decode.clear();
    if (with_prompt) decode.read(chunk.data(), n_prompt, 0);
    score(decode, chunk, with_prompt ? (llama_pos) n_prompt : 0, sum);
}

}  // namespace overfill
