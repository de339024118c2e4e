// The next tokens of several sessions in one batch of each model, where that pays (batch_costs): a token of each
// answer, and the drafts that are checked.
#pragma once

#include "pair.h"
#include "scheduler.h"

#include <vector>

namespace overfill {

// See scheduler::hooks::read_rows.
void read_rows(pair & models, std::vector<scheduler::row_request> & requests);

}  // namespace overfill
