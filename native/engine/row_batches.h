// The next tokens of several sessions in one batch of each writer, where that pays (batch_costs).
#pragma once

#include "pair.h"
#include "scheduler.h"

#include <vector>

namespace overfill {

// See scheduler::hooks::read_rows.
void read_rows(pair & models, std::vector<scheduler::row_request> & requests);

}  // namespace overfill
