#include "cells_task.h"

#include "engine.h"
#include "fingerprint.h"
#include "session_tasks.h"
#include "xxh3.h"

#include <string>

namespace overfill {

// Ids travel from one machine to the other: what a token is, and what ends an answer, has to be the same on both.
static std::string vocabulary_fingerprint(const llama_vocab * vocab) {
    xxh3 all;
    const auto add = [&](const auto & value) { all.add(&value, sizeof value); };
    const int32_t n = llama_vocab_n_tokens(vocab);
    add(llama_vocab_type(vocab));
    add(n);
    for (llama_token token = 0; token < n; token++) {
        const std::string text = llama_vocab_get_text(vocab, token);
        all.add(text.c_str(), text.size() + 1);
        add(llama_vocab_get_attr(vocab, token));
        add(llama_vocab_is_eog(vocab, token));
    }
    add(llama_vocab_bos(vocab));
    return digits_of(all.value());
}

static std::string in_one(const std::vector<std::pair<std::string, std::string>> & facts) {
    std::string out;
    for (const auto & [name, value] : facts) out += (out.empty() ? "" : "; ") + name + " " + value;
    return out;
}

task::turn cell_facts_task::step() {
    if (!job_) {
        const memory_traits & memory = models_.info().prefill.memory;
        if (memory.form != memory_form::attention && memory.form != memory_form::sliding)
            throw failure(error_code::model_unsupported,
                          "what a " + models_.info().prefill.architecture +
                              " model has read cannot be given to another machine: " + memory.name(),
                          { { "architecture", models_.info().prefill.architecture }, { "memory", memory.name() } });
        job_ =
            files_.start([&files = files_, &models = models_, of = writer_, to = made_](const file_job::stop_check &) {
                const std::vector<side_identity> & all = files.identity();
                to->reader = in_one(all[0].facts);
                // Quantisations and adapters of who writes make no difference to what is written on.
                to->facts.push_back({ "model", all[(size_t) of].facts.front().second });
                to->facts.push_back({ "vocabulary", vocabulary_fingerprint(models.vocab()) });
            });
        return turn::parked;
    }
    if (!job_->over()) return turn::parked;
    job_->rethrow();
    for (const auto & fact : models_.layout_of(writer_)) made_->facts.push_back(fact);
    made_->bytes_per_token = models_.bytes_per_token(writer_);
    made_->facts.push_back({ "bytes a token", std::to_string(made_->bytes_per_token) });
    made_->n_vocab = (uint32_t) llama_vocab_n_tokens(models_.vocab());
    end_.done(*made_);
    return turn::done;
}

task::turn cells_task::step() {
    return run_in_pool(slot_, *this, !aborted(), [this] {
        if (aborted()) throw failure(error_code::aborted, "aborted");
        given_cells out = slot_->state.give_cells(from_, n_, with_logits_);
        slot_->busy = false;
        end_.done(out);
        return turn::done;
    });
}

void cells_task::fail(const failure & error) noexcept {
    slot_->busy = false;
    end_.failed(error);
}

// --- what the engine's face has of it ---

void session_handle::give_cells(uint32_t from, uint32_t n, bool with_logits, completion<given_cells> end) {
    claim();
    start([&] { return std::make_shared<cells_task>(slot_, from, n, with_logits, std::move(end)); });
}

void session_handle::put_cells(cell_source & source, given_cells cells) {
    source.put(std::move(cells));
    owner_->scheduler_->wake();
}

void engine::tell_cell_facts(pair_side writer, completion<cell_facts> end) {
    loaded();
    scheduler_->submit(std::make_shared<cell_facts_task>(*pair_, *files_, writer, std::move(end)));
}

}  // namespace overfill
