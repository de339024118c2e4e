// The fused device kernel, run on the CPU through a shim, against the double precision reference; its plan's refusals;
// and the loader of the CUDA library. test_kernel_cuda.cpp runs the same cases on a device.
#include "check.h"
#include "cuda/translate_cuda.h"
#include "kernel_cases.h"
#include "kernel_shim.h"
#include "translate_reference.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace overfill;
using namespace overfill::test;

namespace {

// Largest error of a case as a part of what is allowed.
double run_case(const case_shape & shape, uint32_t seed) {
    kernel_case made(shape, seed);
    kernel_plan plan(made.plan.steps);
    run_kernel_on_cpu(plan, made.job);
    return made.worst_error();
}

void check_case(const case_shape & shape, uint32_t seed, double & worst) {
    const double error = run_case(shape, seed);
    worst = std::max(worst, error);
    if (!(error <= 1))
        report(false, __FILE__, __LINE__, shape.title() + ": " + std::to_string(error) + " of the tolerance");
    else
        report(true, __FILE__, __LINE__, "");
}

// A shape with both sides of one type and layout.
case_shape same_sides(ggml_type type, bool transposed) {
    case_shape shape;
    shape.from.type = shape.to.type = type;
    shape.from.transposed = shape.to.transposed = transposed;
    return shape;
}

const ggml_type quantised_types[] = { GGML_TYPE_Q8_0, GGML_TYPE_Q5_1, GGML_TYPE_Q5_0,
                                      GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL };

}  // namespace

TEST("the kernel agrees with the reference for every type, layout, rotation and map, with holes and streams") {
    double worst = 0;
    uint32_t seed = 0;
    for (const case_shape & shape : all_cases()) check_case(shape, ++seed, worst);
    std::printf("  %u cases, largest error %.3f of the tolerance\n", seed, worst);
}

TEST("the kernel agrees with the reference for random shapes") {
    double worst = 0;
    const uint32_t n = 300;
    for (uint32_t seed = 1; seed <= n; seed++) check_case(random_case(seed), seed, worst);
    std::printf("  %u cases, largest error %.3f of the tolerance\n", n, worst);
}

TEST("the reference reads what ggml reads") {
    for (ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q5_1, GGML_TYPE_Q5_0,
                            GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL }) {
        kernel_case made(same_sides(type, false), 3);
        const kv_storage & storage = made.plan.steps[0].from;
        std::vector<float> row(storage.n_embd());
        double worst = 0;
        for (uint32_t cell = 0; cell < storage.n_cells; cell++) {
            const uint8_t * data = made.steps[0].from.data();
            ggml_get_type_traits(type)->to_float(data + cell * storage.row_bytes(), row.data(), storage.n_embd());
            const std::vector<double> read = read_row(storage, data, cell);
            for (size_t i = 0; i < row.size(); i++) worst = std::max(worst, std::fabs(read[i] - row[i]));
        }
        // One rounding of d q + m, of values below 32.
        CHECK(worst <= std::ldexp(32, -24));
    }
}

TEST("a plain conversion gives ggml's own bytes") {
    for (ggml_type type : quantised_types) {
        case_shape shape;
        shape.from.type = GGML_TYPE_F32;
        shape.to.type = type;
        kernel_case made(shape, 5);
        kernel_plan plan(made.plan.steps);
        run_kernel_on_cpu(plan, made.job);
        const translate_step & step = made.plan.steps[0];
        std::vector<uint8_t> expected(step.to.row_bytes());
        size_t n_different = 0;
        for (const cell_move & move : made.job.of(step)) {
            const uint8_t * from = made.steps[0].from.data() + move.from * step.from.row_bytes();
            ggml_quantize_chunk(type, (const float *) from, expected.data(), 0, 1, step.to.n_embd(), nullptr);
            n_different += std::memcmp(expected.data(), made.steps[0].to.data() + move.to * step.to.row_bytes(),
                                       expected.size()) != 0;
        }
        // ggml_quantize_chunk searches for better scales in the types other than q8_0; the row conversion of caches,
        // which is compared below, does not.
        if (type == GGML_TYPE_Q8_0) CHECK_EQUAL(n_different, (size_t) 0);
        n_different = 0;
        for (const cell_move & move : made.job.of(step)) {
            const uint8_t * from = made.steps[0].from.data() + move.from * step.from.row_bytes();
            ggml_get_type_traits(type)->from_float_ref((const float *) from, expected.data(), step.to.n_embd());
            n_different += std::memcmp(expected.data(), made.steps[0].to.data() + move.to * step.to.row_bytes(),
                                       expected.size()) != 0;
        }
        CHECK_EQUAL(n_different, (size_t) 0);
    }
}

TEST("blocks of zeros, of one value and of huge values are converted as by ggml") {
    for (ggml_type type : quantised_types) {
        case_shape shape;
        shape.from.type = GGML_TYPE_F32;
        shape.to.type = type;
        shape.n_layers = 1;
        kernel_case made(shape, 6);
        std::vector<float> row(128);
        const auto set = [&](size_t block, float a, float b) {
            for (size_t i = 0; i < 32; i++) row[32 * block + i] = i % 2 ? a : b;
        };
        set(0, 3.5f, 3.5f);
        set(1, -1.0f, 1.0f);
        set(2, 1e5f, -2e4f);
        set(3, 1e-7f, -3e-8f);
        const cell_move move = made.job.moves[0][0][0];
        std::memcpy(made.steps[0].from.data() + move.from * 512, row.data(), 512);
        // A row of zeros as well, of either sign.
        const cell_move zero = made.job.moves[0][0][1];
        for (size_t i = 0; i < 128; i++) row[i] = i % 2 ? 0.0f : -0.0f;
        std::memcpy(made.steps[0].from.data() + zero.from * 512, row.data(), 512);
        kernel_plan plan(made.plan.steps);
        run_kernel_on_cpu(plan, made.job);
        const kv_storage & to = made.plan.steps[0].to;
        std::vector<uint8_t> expected(to.row_bytes());
        ggml_get_type_traits(type)->from_float_ref((const float *) (made.steps[0].from.data() + move.from * 512),
                                                   expected.data(), 128);
        CHECK(std::memcmp(expected.data(), made.steps[0].to.data() + move.to * to.row_bytes(), expected.size()) == 0);
        for (double x : read_row(to, made.steps[0].to.data(), zero.to)) CHECK_EQUAL(x, 0.0);
    }
}

TEST("there and back again is the identity for lossless pairs, byte for byte") {
    for (bool transposed : { false, true }) {
        for (ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16 }) {
            case_shape there = same_sides(type, transposed);
            there.to.type = GGML_TYPE_F32;
            there.to.transposed = !transposed;
            there.holes = true;
            kernel_case made(there, 7);
            kernel_plan plan(made.plan.steps);
            run_kernel_on_cpu(plan, made.job);

            std::vector<translate_step> back = made.plan.steps;
            translate_job back_job;
            for (const cell_move & move : made.job.moves[0][0])
                back_job.moves[0][0].push_back({ move.to, move.from, move.position });
            const std::vector<uint8_t> original = made.steps[0].from;
            for (size_t i = 0; i < back.size(); i++) {
                std::swap(back[i].from, back[i].to);
                // What comes back overwrites noise.
                for (const cell_move & move : made.job.moves[0][0])
                    for (uint32_t c = 0; c < back[i].to.n_embd(); c++) {
                        const size_t at = transposed ? (size_t) c * back[i].to.n_cells + move.from
                                                     : (size_t) move.from * back[i].to.n_embd() + c;
                        made.steps[i].from[2 * at] ^= 0x5a;
                    }
            }
            CHECK(made.steps[0].from != original);
            kernel_plan back_plan(back);
            run_kernel_on_cpu(back_plan, back_job);
            CHECK(made.steps[0].from == original);
        }
    }
}

TEST("equal types and layouts move as bytes, NaNs and all") {
    for (ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 }) {
        for (bool transposed : { false, true }) {
            if (transposed && ggml_is_quantized(type)) continue;
            for (bool holes : { false, true }) {
                case_shape shape = same_sides(type, transposed);
                shape.holes = holes;
                kernel_case made(shape, 8);
                for (auto & step : made.steps)
                    for (size_t i = 0; i < step.from.size(); i++) step.from[i] = (uint8_t) (i * 37 + i / 251);
                kernel_plan plan(made.plan.steps);
                run_kernel_on_cpu(plan, made.job);
                const kv_storage & side = made.plan.steps[1].to;
                const size_t n = transposed ? ggml_type_size(type) : side.row_bytes(),
                             n_rows = transposed ? side.n_embd() : 1;
                bool same = true;
                for (const cell_move & move : made.job.moves[0][0])
                    for (size_t r = 0; r < n_rows; r++)
                        same = same && std::memcmp(made.steps[1].from.data() + (r * side.n_cells + move.from) * n,
                                                   made.steps[1].to.data() + (r * side.n_cells + move.to) * n, n) == 0;
                CHECK(same);
            }
        }
    }
}

TEST("the two caches of a sliding-window model have their own cells") {
    case_shape shape;
    shape.to.type = GGML_TYPE_Q8_0;
    kernel_case made(shape, 9);
    for (size_t i = 2; i < 4; i++) made.plan.steps[i].from.cache = made.plan.steps[i].to.cache = 1;
    made.job.moves[1][1].assign(made.job.moves[0][0].begin() + 20, made.job.moves[0][0].begin() + 31);
    kernel_plan plan(made.plan.steps);
    run_kernel_on_cpu(plan, made.job);
    CHECK(made.worst_error() <= 1);

    // A second run with other cells, through the same plan, and one without any.
    made.job.moves[1][1].resize(5);
    run_kernel_on_cpu(plan, made.job);
    CHECK_EQUAL(plan.steps().size(), (size_t) 4);
    run_kernel_on_cpu(plan, translate_job());
    CHECK_EQUAL(plan.n_groups(), 0u);
}

TEST("tables of angles grow with the positions and stay otherwise") {
    case_shape shape;
    shape.rerotate = make_rope(LLAMA_ROPE_TYPE_NEOX, 64, 10000.0f);
    kernel_case made(shape, 10);
    kernel_plan plan(made.plan.steps);
    plan.prepare(made.job);
    const uint64_t version = plan.angles_version();
    for (cell_move & move : made.job.moves[0][0]) move.position += 5000;
    plan.prepare(made.job);
    CHECK_EQUAL(plan.angles_version(), version);
    for (cell_move & move : made.job.moves[0][0]) move.position += 500000;
    run_kernel_on_cpu(plan, made.job);
    CHECK(plan.angles_version() != version);
    CHECK(made.worst_error() <= 1);
}

TEST("steps that the kernel does not do are refused with the layer and the reason") {
    const auto refused = [](const case_shape & shape, const char * reason) {
        kernel_case made(shape, 11);
        const std::string message = CHECK_FAILURE(error_code::handover_unavailable, kernel_plan(made.plan.steps));
        if (message.find(reason) == std::string::npos) report(false, __FILE__, __LINE__, message);
    };
    case_shape shape;
    shape.rerotate = make_rope(LLAMA_ROPE_TYPE_MROPE, 64, 10000.0f);
    refused(shape, "several positions per token");
    shape.rerotate = make_rope(LLAMA_ROPE_TYPE_NEOX, 66, 10000.0f);
    refused(shape, "66 dimensions in heads of size 64");
    shape = {};
    shape.to.head_size = 96;
    refused(shape, "rows of 128 and of 192 values");
    shape = {};
    shape.to.hadamard = 48;
    refused(shape, "a Hadamard rotation over 48 values");
    shape = {};
    shape.from.head_size = shape.to.head_size = 8192;
    shape.rerotate = make_rope(LLAMA_ROPE_TYPE_NEOX, 64, 10000.0f);
    refused(shape, "heads of 8192 values");
    shape.from.head_size = shape.to.head_size = 2048;
    shape.map = true;
    shape.n_layers = 1;
    refused(shape, "a linear map over heads of 2048 values");
    kernel_case made({}, 12);
    translate_step step = made.plan.steps[1];
    step.to.tensor->type = GGML_TYPE_I16;
    const std::string message = CHECK_FAILURE(error_code::handover_unavailable, kernel_plan({ step }));
    CHECK(message.find("V of layer 0: the cache type i16") != std::string::npos);
}

TEST("a job that does not fit the plan fails before anything is written") {
    kernel_case made({}, 13);
    kernel_plan plan(made.plan.steps);
    translate_job job = made.job;
    job.moves[0][0][5].to = 48;
    CHECK_FAILURE(error_code::inference_failed, plan.prepare(job));
    job = made.job;
    job.moves[0][0][5].position = -1;
    CHECK_FAILURE(error_code::inference_failed, plan.prepare(job));
    run_kernel_on_cpu(plan, made.job);
    CHECK(made.worst_error() <= 1);
}

TEST("a CUDA library that is not there or no such library is refused with a code") {
    CHECK_FAILURE(error_code::handover_unavailable, cuda_library(""));
    CHECK_FAILURE(error_code::handover_unavailable, cuda_library("/nowhere/liboverfill-cuda.so"));
    kernel_case made({}, 14);
    const std::string message = CHECK_FAILURE(error_code::handover_unavailable, make_cuda_translate(made.plan, ""));
    CHECK(message.find("host memory") != std::string::npos);
    CHECK_EQUAL(find_cuda_library("/nowhere"),
                std::string(std::getenv("OVERFILL_CUDA_LIBRARY") ? std::getenv("OVERFILL_CUDA_LIBRARY") : ""));
}
