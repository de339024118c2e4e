// The matrix kernels with shapes, strides and bytes made up at random: every leaf against the plain one bit for bit,
// the plain one against double precision, and all that a product reads, works in and writes ends where its memory ends.
//
//   OVERFILL_FUZZ_SEED     the seed of the first product, printed where one fails; default 1
//   OVERFILL_FUZZ_SECONDS  for all tests together; if left out, a fixed number of products
#include "check.h"
#include "product_case.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

using namespace overfill;
using namespace overfill::kernels;
using namespace overfill::test;

namespace {

constexpr int n_tests = 2;
constexpr std::uint32_t untouched = 0x7fa5a5a5;

int draw(std::mt19937 & random, int least, int most) { return least + int(random() % unsigned(most - least + 1)); }

// Sizes up to `most`, small ones and those beside a multiple of a panel's rows more often.
int draw_size(std::mt19937 & random, int most) {
    switch (random() % 4) {
    case 0: return draw(random, 1, std::min(most, 9));
    case 1: return std::min(most, std::max(1, 8 * draw(random, 1, 1 + most / 8) + draw(random, -1, 1)));
    default: return draw(random, 1, most);
    }
}

// Where a block has its scales.
std::vector<size_t> halves_of(weight_type type) {
    switch (type) {
    case weight_type::q4_k: return { offsetof(q4_k_block, d), offsetof(q4_k_block, dmin) };
    case weight_type::q5_k: return { offsetof(q5_k_block, d), offsetof(q5_k_block, dmin) };
    case weight_type::q6_k: return { offsetof(q6_k_block, d) };
    case weight_type::q3_k: return { offsetof(q3_k_block, d) };
    case weight_type::q2_k: return { offsetof(q2_k_block, d), offsetof(q2_k_block, dmin) };
    default: return { 0 };
    }
}

// Any bytes are blocks, as long as their scales are numbers.
void fill_blocks(std::mt19937 & random, named_weight_type named, std::uint8_t * to, size_t size) {
    const weight_type type = named.type;
    if (format_of(type).is_float) {
        const auto values = some_floats(random, size / sizeof(half_bits));
        ggml_quantize_chunk(named.ggml, values.data(), to, 0, 1, int64_t(values.size()), nullptr);
        return;
    }
    for (size_t i = 0; i < size; i++) to[i] = std::uint8_t(random());
    const auto halves = halves_of(type);
    for (size_t block = 0; block < size; block += size_t(format_of(type).bytes))
        for (const size_t half : halves) {
            const ggml_fp16_t scale = ggml_fp32_to_fp16(float(draw(random, -1000, 1000)) / 8192);
            std::memcpy(to + block + half, &scale, sizeof scale);
        }
}

void fill_floats(std::mt19937 & random, std::uint8_t * to, size_t size) {
    const auto values = some_floats(random, size / sizeof(float));
    std::memcpy(to, values.data(), size);
}

void fill_untouched(const memory_to_its_end & memory) {
    for (size_t i = 0; i < memory.size(); i += sizeof untouched)
        std::memcpy(memory.begin() + i, &untouched, sizeof untouched);
}

std::vector<float> floats_of(const memory_to_its_end & memory) {
    std::vector<float> out(memory.size() / sizeof(float));
    std::memcpy(out.data(), memory.begin(), memory.size());
    return out;
}

bool is_untouched(float value) { return std::memcmp(&value, &untouched, sizeof value) == 0; }

// A type, and elements of whole blocks: few as a rule, sometimes as many as the widest models have.
named_weight_type draw_type(std::mt19937 & random) { return all_weight_types[random() % all_weight_types.size()]; }
int draw_elements(std::mt19937 & random, weight_type type) {
    const int step = std::max(format_of(type).block, format_of(type).activation_block);
    return step * draw_size(random, (random() % 16 == 0 ? 16384 : 2048) / step);
}

// Rows that keep a product within what the plain leaf does in a moment.
int draw_rows(std::mt19937 & random, int elements, int columns) {
    return draw_size(random, std::clamp(6'000'000 / (elements * columns), 1, 300));
}

class product_round {
  public:
    explicit product_round(std::mt19937 & random) : type_(draw_type(random)) {
        p_.type = type_.type;
        p_.elements = draw_elements(random, p_.type);
        const int columns = draw_size(random, random() % 16 == 0 ? 512 : 24);
        p_.counts[random() % 3] = columns;
        if (columns < 8) p_.counts[random() % 3] = draw(random, 1, 3);
        p_.rows = draw_rows(random, p_.elements, p_.columns());
        // Views: rows of a wider matrix, columns of a larger tensor.
        const size_t row_bytes = ggml_row_size(type_.ggml, p_.elements);
        p_.row_stride =
            row_bytes + size_t(format_of(p_.type).bytes) * size_t(random() % 3 == 0 ? draw(random, 1, 4) : 0);
        p_.strides[0] = sizeof(float) * size_t(p_.elements + (random() % 3 == 0 ? draw(random, 1, 40) : 0));
        p_.strides[1] = p_.strides[0] * size_t(p_.counts[0]) + sizeof(float) * (random() % 5);
        p_.strides[2] = p_.strides[1] * size_t(p_.counts[1]) + sizeof(float) * (random() % 5);
        p_.out_stride = size_t(p_.rows) + (random() % 3 == 0 ? random() % 40 : 0);
        threads_ = draw(random, 1, 5);

        weights_.emplace(p_.row_stride * size_t(p_.rows - 1) + row_bytes);
        fill_blocks(random, type_, weights_->begin(), weights_->size());
        const size_t last = p_.strides[0] * size_t(p_.counts[0] - 1) + p_.strides[1] * size_t(p_.counts[1] - 1) +
                            p_.strides[2] * size_t(p_.counts[2] - 1);
        x_.emplace(last + sizeof(float) * size_t(p_.elements));
        fill_floats(random, x_->begin(), x_->size());
        p_.weights = weights_->begin();
        p_.x = x_->begin();
    }

    std::string check(std::mt19937 & random) {
        const auto expected = compute(reference_leaf(), 1);
        for (const leaf * by : leaves_of(p_.type)) {
            const auto out = compute(*by, threads_);
            const bool agrees = by->has_few(p_.type, p_.columns()) ? nearly_same(products(out), products(expected))
                                                                   : same_bits(products(out), products(expected));
            if (!agrees) return std::string(by->name) + " has other bits" + told();
            for (size_t i = 0; i < out.size(); i++)
                if (i % p_.out_stride >= size_t(p_.rows) && !is_untouched(out[i]))
                    return std::string(by->name) + " wrote between the columns" + told();
        }
        return distance_from_exact(random, expected);
    }

  private:
    std::vector<float> compute(const leaf & by, int threads) {
        const memory_to_its_end out(sizeof(float) * (p_.out_stride * size_t(p_.columns() - 1) + size_t(p_.rows)));
        fill_untouched(out);
        const memory_to_its_end work(work_bytes(by, p_.type, p_.elements, p_.columns(), threads));
        weight_product product = p_;
        product.out = reinterpret_cast<float *>(out.begin());
        run_team(threads, [&](const team_member & member) { multiply(by, product, member, work.begin()); });
        return floats_of(out);
    }

    std::vector<float> products(const std::vector<float> & out) const {
        std::vector<float> kept;
        for (size_t i = 0; i < out.size(); i++)
            if (i % p_.out_stride < size_t(p_.rows)) kept.push_back(out[i]);
        return kept;
    }

    std::string distance_from_exact(std::mt19937 & random, const std::vector<float> & out) const {
        std::vector<float> row(size_t(p_.elements));
        for (int n = 0; n < 8; n++) {
            const int r = draw(random, 0, p_.rows - 1);
            const int column = draw(random, 0, p_.columns() - 1);
            const float * x = p_.column(column);
            ggml_get_type_traits(type_.ggml)->to_float(p_.weights + size_t(r) * p_.row_stride, row.data(), p_.elements);
            double exact = 0;
            double size = 0;
            for (size_t i = 0; i < row.size(); i++) {
                exact += double(row[i]) * x[i];
                size += std::fabs(double(row[i]) * x[i]);
            }
            // A sum of many in single precision has its own rounding.
            const double allowed = error_allowed(p_.type, row, x) + 1e-5 * size;
            if (!(std::fabs(out[size_t(column) * p_.out_stride + size_t(r)] - exact) <= allowed))
                return "row " + std::to_string(r) + ", column " + std::to_string(column) + " is far from exact" +
                       told();
        }
        return "";
    }

    std::string told() const {
        return ": " + std::string(ggml_type_name(type_.ggml)) + ", " + std::to_string(p_.rows) + " rows of " +
               std::to_string(p_.elements) + " every " + std::to_string(p_.row_stride) + " bytes, " +
               std::to_string(p_.counts[0]) + " x " + std::to_string(p_.counts[1]) + " x " +
               std::to_string(p_.counts[2]) + " columns, " + std::to_string(threads_) + " threads";
    }

    const named_weight_type type_;
    weight_product p_;
    int threads_ = 1;
    std::optional<memory_to_its_end> weights_, x_;
};

class expert_round {
  public:
    explicit expert_round(std::mt19937 & random) : type_(draw_type(random)) {
        p_.type = type_.type;
        p_.elements = draw_elements(random, p_.type);
        p_.experts = draw(random, 1, 9);
        p_.slots = draw(random, 1, 4);
        p_.x_slots = random() % 2 == 0 ? 1 : p_.slots;
        p_.tokens = draw_size(random, 24);
        p_.rows = draw_rows(random, p_.elements, p_.slots * p_.tokens);
        p_.row_stride = ggml_row_size(type_.ggml, p_.elements);
        p_.expert_stride = p_.row_stride * size_t(p_.rows + (random() % 3 == 0 ? draw(random, 1, 3) : 0));
        p_.x_slot_stride = sizeof(float) * size_t(p_.elements + draw(random, 0, 3));
        p_.x_token_stride = p_.x_slot_stride * size_t(p_.x_slots);
        p_.id_slot_stride = sizeof(std::int32_t);
        p_.id_token_stride = p_.id_slot_stride * size_t(p_.slots + draw(random, 0, 2));
        p_.out_slot_stride = sizeof(float) * size_t(p_.rows);
        p_.out_token_stride = p_.out_slot_stride * size_t(p_.slots);
        threads_ = draw(random, 1, 5);

        weights_.emplace(p_.expert_stride * size_t(p_.experts - 1) + p_.row_stride * size_t(p_.rows));
        fill_blocks(random, type_, weights_->begin(), weights_->size());
        x_.emplace(p_.x_token_stride * size_t(p_.tokens - 1) + p_.x_slot_stride * size_t(p_.x_slots - 1) +
                   sizeof(float) * size_t(p_.elements));
        fill_floats(random, x_->begin(), x_->size());
        ids_.emplace(p_.id_token_stride * size_t(p_.tokens - 1) + p_.id_slot_stride * size_t(p_.slots));
        for (size_t i = 0; i < ids_->size(); i += sizeof(std::int32_t)) {
            // Some experts get nothing; one in twenty is none that there is.
            const std::int32_t id =
                random() % 20 == 0 ? (random() % 2 ? -1 : p_.experts) : draw(random, 0, p_.experts / 2);
            std::memcpy(ids_->begin() + i, &id, sizeof id);
        }
        p_.weights = weights_->begin();
        p_.x = x_->begin();
        p_.ids = ids_->begin();
    }

    std::string check(std::mt19937 &) {
        const auto expected = one_by_one();
        for (const leaf * by : leaves_of(p_.type))
            if (!same_bits(compute(*by), expected)) return std::string(by->name) + " has other bits" + told();
        return "";
    }

  private:
    std::vector<float> compute(const leaf & by) {
        const memory_to_its_end out(p_.out_token_stride * size_t(p_.tokens));
        fill_untouched(out);
        const memory_to_its_end work(work_bytes(by, p_, threads_));
        expert_product product = p_;
        product.out = out.begin();
        run_team(threads_, [&](const team_member & member) { multiply(by, product, member, work.begin()); });
        return floats_of(out);
    }

    // Each column as a product of one matrix, by the plain leaf.
    std::vector<float> one_by_one() const {
        std::vector<float> out(size_t(p_.tokens) * p_.slots * p_.rows);
        for (int token = 0; token < p_.tokens; token++)
            for (int slot = 0; slot < p_.slots; slot++) {
                std::int32_t id = 0;
                std::memcpy(&id, p_.ids + token * p_.id_token_stride + slot * p_.id_slot_stride, sizeof id);
                if (id < 0 || id >= p_.experts) continue;
                weight_product one;
                one.type = p_.type;
                one.weights = p_.weights + size_t(id) * p_.expert_stride;
                one.row_stride = p_.row_stride;
                one.rows = p_.rows;
                one.elements = p_.elements;
                one.x = p_.x + token * p_.x_token_stride + slot % p_.x_slots * p_.x_slot_stride;
                one.out = out.data() + (size_t(token) * p_.slots + slot) * p_.rows;
                one.out_stride = size_t(p_.rows);
                std::vector<std::uint8_t> work(work_bytes(reference_leaf(), p_.type, p_.elements, 1, 1));
                run_team(1, [&](const team_member & member) { multiply(reference_leaf(), one, member, work.data()); });
            }
        return out;
    }

    std::string told() const {
        return ": " + std::string(ggml_type_name(type_.ggml)) + ", " + std::to_string(p_.experts) + " experts of " +
               std::to_string(p_.rows) + " rows of " + std::to_string(p_.elements) + ", " + std::to_string(p_.tokens) +
               " tokens with " + std::to_string(p_.slots) + " each, " + std::to_string(threads_) + " threads";
    }

    const named_weight_type type_;
    expert_product p_;
    int threads_ = 1;
    std::optional<memory_to_its_end> weights_, x_, ids_;
};

template <typename Round> void run_rounds(int n_rounds) {
    const char * seed = std::getenv("OVERFILL_FUZZ_SEED");
    const char * limit = std::getenv("OVERFILL_FUZZ_SECONDS");
    const std::uint32_t first = seed ? std::uint32_t(std::strtoul(seed, nullptr, 10)) : 1;
    const auto begun = std::chrono::steady_clock::now();
    const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); };
    int done = 0;
    for (; limit ? done == 0 || spent() < std::atof(limit) / n_tests : done < n_rounds; done++) {
        std::mt19937 random(first + std::uint32_t(done));
        const std::string wrong = Round(random).check(random);
        if (wrong.empty()) continue;
        report(false, __FILE__, __LINE__,
               "OVERFILL_FUZZ_SEED=" + std::to_string(first + std::uint32_t(done)) + ": " + wrong);
        return;
    }
    report(true, __FILE__, __LINE__, "all products");
    std::printf("  %d products\n", done);
}

}  // namespace

TEST(
    "products of any shape, strides and bytes have the bits of the plain leaf and are near those of double precision") {
    run_rounds<product_round>(400);
}

TEST("products of experts have the bits of a product for each column, and zeros where there is no such expert") {
    run_rounds<expert_round>(200);
}
