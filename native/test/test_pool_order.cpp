// Who gives way in a full pool.
#include "check.h"
#include "pool_order.h"

using namespace overfill;
using namespace overfill::test;

namespace {

using state = pool_holder::state;

pool_holder idle(uint64_t last_used) { return { state::idle, last_used, 0 }; }
pool_holder reads_slowly(uint64_t last_used, uint64_t arrived) {
    return { state::waits_for_reader, last_used, arrived };
}
pool_holder works(uint64_t arrived) { return { state::works, 1, arrived }; }

constexpr size_t nobody = SIZE_MAX;

size_t chosen(const std::vector<pool_holder> & holders, std::optional<uint64_t> arrived) {
    return who_gives_way(holders, arrived).value_or(nobody);
}

}  // namespace

TEST("idle sessions go first, the one used least recently before the others") {
    CHECK_EQUAL(chosen({ works(9), reads_slowly(1, 9), idle(7), idle(3), idle(5) }, 4), 3u);
}

TEST("then an answer that waits for its reader, whenever it came") {
    CHECK_EQUAL(chosen({ works(9), reads_slowly(6, 1), reads_slowly(2, 8) }, 4), 2u);
    CHECK_EQUAL(chosen({ works(9), reads_slowly(6, 1) }, 4), 1u);
}

TEST("then a task that came later, the youngest first, and never one that came earlier") {
    CHECK_EQUAL(chosen({ works(5), works(9), works(7), works(2) }, 4), 1u);
    CHECK_EQUAL(chosen({ works(2), works(3) }, 4), nobody);
    CHECK_EQUAL(chosen({}, 4), nobody);
}

TEST("for several at once only idle ones go") {
    CHECK_EQUAL(chosen({ works(9), reads_slowly(1, 9), idle(7) }, std::nullopt), 2u);
    CHECK_EQUAL(chosen({ works(9), reads_slowly(1, 9) }, std::nullopt), nobody);
}
