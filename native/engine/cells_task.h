// What another machine needs to write on from here: the cells of a session, and what they depend on. The other end is
// cell_source.h.
#pragma once

#include "cell_source.h"
#include "completion.h"
#include "scheduler.h"
#include "session_files.h"
#include "session_slot.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

// What the cells of a writer depend on, as facts by their names: they are alike where the cells are any good.
struct cell_facts {
    std::vector<std::pair<std::string, std::string>> facts;
    std::string reader;  // which model reads, for people and for names of what was read
    size_t bytes_per_token = 0;
    uint32_t n_vocab = 0;
};

// Throws ERR_MODEL_UNSUPPORTED where the memory is not K and V of single tokens alone.
class cell_facts_task final : public task {
  public:
    cell_facts_task(pair & models, session_files & files, pair_side writer, completion<cell_facts> end)
        : models_(models), files_(files), writer_(writer), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override { end_.failed(error); }

  private:
    pair & models_;
    session_files & files_;
    pair_side writer_;
    completion<cell_facts> end_;
    std::shared_ptr<file_job> job_;
    std::shared_ptr<cell_facts> made_ = std::make_shared<cell_facts>();  // filled by the job
};

class cells_task final : public task {
  public:
    // Of the n tokens from `from` on; with the logits of the token after the text, or without.
    cells_task(slot_ptr slot, uint32_t from, uint32_t n, bool with_logits, completion<given_cells> end)
        : slot_(std::move(slot)), from_(from), n_(n), with_logits_(with_logits), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    slot_ptr slot_;
    uint32_t from_, n_;
    bool with_logits_;
    completion<given_cells> end_;
};

}  // namespace overfill
