// Rows of weights that are no finite numbers are found out as ggml does it, in silence.
#include "check.h"
#include "finite_rows.h"
#include "temp_folder.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#ifndef _WIN32
#include <unistd.h>
#endif

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr int64_t n_columns = 1024, n_rows = 6;

std::vector<float> drawn(uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values((size_t) (n_columns * n_rows));
    for (float & value : values) value = normal(random);
    return values;
}

template <class Bits> void check_floats(ggml_type type, Bits infinite, Bits number) {
    std::vector<Bits> row(3000, number);
    const size_t n_bytes = row.size() * sizeof(Bits);
    CHECK(are_finite_rows(type, row.data(), n_bytes));
    CHECK(are_finite_rows(type, row.data(), 0));
    const Bits negative = (Bits) ((Bits) 1 << (8 * sizeof(Bits) - 1));
    for (const size_t at : { (size_t) 0, (size_t) 1023, (size_t) 1024, row.size() - 1 })
        for (const Bits bad : { infinite, (Bits) (infinite | negative), (Bits) (infinite | 1) }) {
            row[at] = bad;
            CHECK(!are_finite_rows(type, row.data(), n_bytes));
            row[at] = number;
        }
}

}  // namespace

TEST("floats that are infinite or no numbers are found, wherever they are") {
    check_floats<uint64_t>(GGML_TYPE_F64, 0x7ff0000000000000u, 0x7fefffffffffffffu);
    check_floats<uint32_t>(GGML_TYPE_F32, 0x7f800000u, 0x7f7fffffu);
    check_floats<uint16_t>(GGML_TYPE_F16, 0x7c00u, 0x7bffu);
    check_floats<uint16_t>(GGML_TYPE_BF16, 0x7f80u, 0x7f7fu);
    const std::vector<int32_t> whole(64, 0x7f800000);
    CHECK(are_finite_rows(GGML_TYPE_I32, whole.data(), whole.size() * sizeof(int32_t)));
}

TEST("quantised rows are found finite where they are, and whatever ggml refuses is refused") {
    const std::vector<float> values = drawn(1), importance((size_t) n_columns, 1);
    std::mt19937 random(2);
    uint32_t n_refused = 0;
    for (int i = 0; i < GGML_TYPE_COUNT; i++) {
        const ggml_type type = (ggml_type) i;
        if (!ggml_is_quantized(type) || type == GGML_TYPE_Q8_1 || type == GGML_TYPE_Q8_K) continue;
        if (ggml_blck_size(type) == 0 || !ggml_get_type_traits(type)->to_float) continue;
        std::vector<uint8_t> rows(ggml_row_size(type, n_columns) * (size_t) n_rows);
        ggml_quantize_init(type);
        ggml_quantize_chunk(type, values.data(), rows.data(), 0, n_rows, n_columns, importance.data());
        CHECK(are_finite_rows(type, rows.data(), rows.size()));
        for (int n = 0; n < 20; n++) {
            std::vector<uint8_t> damaged = rows;
            // Two bytes of a block, which make an infinite scale where they are one.
            const size_t size = ggml_type_size(type), block = random() % (rows.size() / size);
            const size_t at = block * size + (n % 2 == 0 ? 2 * (random() % 2) : size - 2);
            damaged[at] = n % 4 < 2 ? 0xff : 0;
            damaged[at + 1] = 0x7c;
            if (ggml_validate_row_data(type, damaged.data(), damaged.size())) continue;
            n_refused++;
            CHECK(!are_finite_rows(type, damaged.data(), damaged.size()));
        }
    }
    CHECK(n_refused > 50);
}

#ifndef _WIN32
TEST("nothing is written to standard error") {
    temp_folder folder;
    const std::string path = folder.file("errors");
    std::fflush(stderr);
    const int kept = dup(2);
    FILE * const file = std::fopen(path.c_str(), "wb");
    dup2(fileno(file), 2);
    const float bad[] = { 1, NAN, std::numeric_limits<float>::infinity() };
    const bool finite = are_finite_rows(GGML_TYPE_F32, bad, sizeof(bad));
    std::fflush(stderr);
    dup2(kept, 2);
    close(kept);
    std::fseek(file, 0, SEEK_END);
    CHECK_EQUAL(std::ftell(file), 0L);
    std::fclose(file);
    CHECK(!finite);
}
#endif
