// What makes a training what it is, as texts by name: a checkpoint belongs to a run with the same ones.
#pragma once

#include "heal.h"
#include "student_model.h"

#include <string>
#include <utility>
#include <vector>

namespace overfill {

using run_facts = std::vector<std::pair<std::string, std::string>>;

// Options that change no value that is trained (threads, places of files, limits of bad lines) are left out: so is the
// number of steps that epochs come to, which follows from the data. The models are not trained yet.
run_facts facts_of(const heal_options & options, uint32_t context_size, const student_model & student);

const char * mode_name(train_mode mode);

}  // namespace overfill
