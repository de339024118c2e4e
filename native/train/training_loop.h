// The steps of a training with all that goes on between them: evaluations, checkpoints, the log, the end.
#pragma once

#include "checkpoint.h"
#include "clock.h"
#include "evaluation_set.h"
#include "example_stream.h"
#include "heal.h"
#include "student_model.h"
#include "training_log.h"
#include "training_state.h"

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace overfill {

// What a loop works with; all of it outlives the loop.
struct training_parts {
    student_model & student;
    example_stream & data;
    const evaluation_set * held_out;  // null: no evaluation
    training_log & log;
    const run_facts & facts;
    std::string checkpoint_path;
    uint64_t n_steps;
};

class training_loop {
  public:
    // `state` is where `data` and the student's weights stand; `best` are the weights of its best evaluation.
    training_loop(const heal_options & options, const heal_events & events, const training_parts & parts,
                  training_state state, std::vector<std::vector<float>> best);

    // To the end, where the last checkpoint is written and, with patience, the best weights become the student's. An
    // abort writes a checkpoint too. Throws as heal does.
    heal_end run(const std::atomic<bool> & stop);

    const training_state & state() const { return state_; }
    double tokens_per_second() const;  // of all steps of this loop
    heal_progress progress(heal_stage stage, double fraction) const;

  private:
    heal_end run_steps(const std::atomic<bool> & stop);
    void evaluate();
    bool out_of_patience() const;
    bool checkpoint_is_due() const;
    void save();
    void step();
    void finish_step(const pass_sums & sums, uint64_t n_examples, double norm, double rate, double milliseconds);
    void keep_best();
    void put_best();
    double recent_speed() const;

    const heal_options & options_;
    const heal_events & events_;
    training_parts parts_;
    training_state state_;
    std::vector<std::vector<float>> best_;
    uint64_t first_step_, saved_step_;
    stopwatch since_saved_;
    heal_progress last_;  // the last step's numbers
    struct timed {
        uint64_t n_tokens = 0;
        double milliseconds = 0;
    };
    std::deque<timed> recent_;
    timed all_;
};

}  // namespace overfill
