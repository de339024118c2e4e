// Every implementation of the translate handover against the float64 reference, over types, layouts, rotations, linear
// maps, streams and holes.
#include "check.h"
#include "engine_driver.h"
#include "translate_case.h"
#include "translation.h"

#include <cstdio>
#include <functional>

using namespace overfill;
using namespace overfill::test;

namespace {

const ggml_type cache_types[] = { GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,  GGML_TYPE_Q5_1,
                                  GGML_TYPE_Q5_0, GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL };

using maker = std::function<std::unique_ptr<translate_implementation>(const translation &)>;
struct named_maker {
    const char * name;
    maker make;
};
std::vector<named_maker> implementations() {
    return { { "cpu, 1 thread", [](const translation & plan) { return make_cpu_translate(plan, 1); } },
             { "cpu, 3 threads", [](const translation & plan) { return make_cpu_translate(plan, 3); } },
             { "graph", [](const translation & plan) { return make_graph_translate(plan, 1); } } };
}

std::shared_ptr<const rope_parameters> rope(bool adjacent, float base, int32_t n_dims = 64) {
    auto out = std::make_shared<rope_parameters>();
    out->type = adjacent ? LLAMA_ROPE_TYPE_NORM : LLAMA_ROPE_TYPE_NEOX;
    out->n_dims = n_dims;
    out->base = base;
    return out;
}

std::shared_ptr<const rope_parameters> yarn(float base) {
    auto out = std::make_shared<rope_parameters>(*rope(false, base));
    out->scale = 0.25f;
    out->n_ctx_orig = 512;
    out->ext_factor = 1.0f;
    out->attn_factor = 1.1f;
    return out;
}

std::shared_ptr<const rope_parameters> with_factors(float base) {
    auto out = std::make_shared<rope_parameters>(*rope(true, base));
    for (int i = 0; i < 32; i++) out->factors.push_back(1.0f + 0.2f * (float) i);
    return out;
}

struct places {
    ggml_backend_buffer_type_t from = nullptr, to = nullptr;  // null: host memory
};

// Runs one step, alone in its caches, with every implementation.
void check_one(const storage_shape & from_shape, const storage_shape & to_shape,
               const std::function<void(translate_step &)> & change, const std::vector<cell_move> & moves,
               const std::string & what, const places & where = {}) {
    for (const named_maker & kind : implementations()) {
        cache_memory source(where.from), target(where.to);
        translation plan;
        translate_step step;
        step.from = source.add(from_shape);
        step.to = target.add(to_shape);
        source.allocate();
        target.allocate();
        source.fill(step.from, 7);
        change(step);
        plan.steps.push_back(step);
        translate_job job;
        job.from_stream[0] = from_shape.n_stream - 1;
        job.to_stream[0] = to_shape.n_stream - 1;
        job.moves[0][0] = moves;
        const auto before = cache_memory::all_of(step.to), source_before = cache_memory::all_of(step.from);
        const auto implementation = kind.make(plan);
        // Twice: an implementation is kept for the life of a pair.
        implementation->run(job);
        implementation->run(job);
        check_step(step, job, before, what + " (" + kind.name + ")", where.to != nullptr);
        CHECK(cache_memory::all_of(step.from) == source_before);
    }
}

void nothing(translate_step &) {}

std::string pair_name(ggml_type a, ggml_type b) { return std::string(ggml_type_name(a)) + " to " + ggml_type_name(b); }

}  // namespace

TEST("every type becomes every other, cells scattered, with the Hadamard rotation on either side") {
    const auto moves = scattered_moves(37, 64, 96, 3);
    for (const ggml_type a : cache_types)
        for (const ggml_type b : cache_types)
            for (const uint32_t rotated : { 0u, 1u, 2u, 3u }) {
                storage_shape from, to;
                from.type = a;
                to.type = b;
                to.n_cells = 96;
                from.n_stream = 2;
                to.n_stream = 3;
                from.hadamard = rotated & 1 ? 64 : 0;
                to.hadamard = rotated & 2 ? 64 : 0;
                check_one(from, to, nothing, moves, pair_name(a, b) + ", rotated " + std::to_string(rotated));
            }
}

TEST("V stored transposed becomes rows and rows become transposed V") {
    for (const ggml_type a : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16 })
        for (const ggml_type b : cache_types)
            for (const bool both : { false, true }) {
                if (both && ggml_is_quantized(b)) continue;
                storage_shape from, to;
                from.type = a;
                from.transposed = true;
                from.n_stream = 2;
                to.type = b;
                to.transposed = both;
                to.n_cells = 80;
                const std::string what = pair_name(a, b) + (both ? ", both transposed" : ", from transposed");
                check_one(from, to, nothing, scattered_moves(33, 64, 80, 5), what);
                if (both) continue;
                check_one(to, from, nothing, scattered_moves(33, 80, 64, 6), "the way back of " + what);
            }
}

TEST("windows of cells next to each other, long and short") {
    storage_shape from, to;
    from.n_cells = to.n_cells = 1400;
    to.transposed = true;
    for (const uint32_t n : { 1u, 31u, 32u, 33u, 511u, 512u, 513u, 1300u }) {
        check_one(from, to, nothing, plain_moves(n, 5, 90), std::to_string(n) + " cells to transposed V");
        check_one(to, from, nothing, plain_moves(n, 90, 5), std::to_string(n) + " cells from transposed V");
        check_one(from, from, nothing, plain_moves(n, 5, 90), std::to_string(n) + " cells as they are");
    }
}

TEST("positions are encoded anew: base, layout, scaling, factors, or none") {
    const std::shared_ptr<const rope_parameters> kinds[] = {
        nullptr,     rope(true, 10000),    rope(false, 10000), rope(false, 500000), rope(false, 10000, 32),
        yarn(10000), with_factors(500000),
    };
    size_t n = 0;
    for (const auto & a : kinds)
        for (const auto & b : kinds)
            for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0 }) {
                storage_shape shape;
                shape.type = type;
                shape.hadamard = type == GGML_TYPE_Q8_0 ? 64 : 0;
                check_one(
                    shape, shape, [&](translate_step & step) { step.unrotate = a, step.rerotate = b; },
                    scattered_moves(40, 64, 64, 11), "RoPE case " + std::to_string(n++));
            }
}

TEST("linear maps between other heads, with bias or not, before or after RoPE") {
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0 })
        for (const bool bias : { false, true })
            for (const bool before_rope : { false, true })
                for (const bool transposed : { false, true }) {
                    storage_shape from, to;
                    from.n_head = 3;
                    from.n_cells = to.n_cells = 700;
                    to.type = type;
                    to.n_head = 1;
                    to.head_size = 128;
                    from.transposed = transposed;
                    to.transposed = transposed && !ggml_is_quantized(type);
                    to.hadamard = type == GGML_TYPE_Q8_0 ? 128 : 0;
                    const auto change = [&](translate_step & step) {
                        step.map = random_map(192, 128, bias, 21);
                        if (!before_rope) return;
                        step.unrotate = rope(true, 10000);
                        step.rerotate = rope(false, 500000, 128);
                    };
                    check_one(from, to, change, scattered_moves(600, 700, 700, 4), "a linear map, scattered");
                    check_one(from, to, change, plain_moves(30, 3, 9), "a linear map, one run");
                }
}

TEST("random shapes, parts and cells") {
    std::mt19937 random(99);
    const auto chance = [&](uint32_t n) { return (uint32_t) (random() % n); };
    for (int round = 0; round < 60; round++) {
        storage_shape from, to;
        from.type = cache_types[chance(9)];
        to.type = cache_types[chance(9)];
        from.n_head = 1 + chance(4);
        from.head_size = 64 * (1 + chance(2));
        from.n_cells = 1 + chance(90);
        from.n_stream = 1 + chance(3);
        to.n_cells = 1 + chance(90);
        to.n_stream = 1 + chance(3);
        const bool mapped = chance(3) == 0;
        to.n_head = mapped ? 1 + chance(3) : from.n_head;
        to.head_size = mapped ? 32 * (1 + chance(4)) : from.head_size;
        from.transposed = !ggml_is_quantized(from.type) && chance(3) == 0;
        to.transposed = !ggml_is_quantized(to.type) && chance(3) == 0;
        if (chance(2)) from.hadamard = 64;
        if (chance(2) && to.head_size % 64 == 0) to.hadamard = 64;
        const uint32_t most = std::min(from.n_cells, to.n_cells);
        check_one(
            from, to,
            [&](translate_step & step) {
                if (mapped)
                    step.map = random_map(step.from.n_embd(), step.to.n_embd(), round % 2 == 0, (uint32_t) round);
                if (round % 3 == 0) step.unrotate = rope(round % 2 == 0, 10000, 32);
                if (round % 4 == 0) step.rerotate = rope(round % 5 == 0, 70000, 32);
            },
            scattered_moves(1 + chance(most), from.n_cells, to.n_cells, (uint32_t) round),
            "random case " + std::to_string(round));
    }
}

TEST("there and back is the identity for types that lose nothing") {
    for (const named_maker & kind : implementations())
        for (const bool transposed : { false, true }) {
            storage_shape half, full;
            full.type = GGML_TYPE_F32;
            full.transposed = transposed;
            cache_memory a_memory, b_memory, c_memory;
            const kv_storage a = a_memory.add(half), b = b_memory.add(full), c = c_memory.add(half);
            for (cache_memory * memory : { &a_memory, &b_memory, &c_memory }) memory->allocate();
            a_memory.fill(a, 1);
            translation there, back;
            translate_step step;
            step.from = a;
            step.to = b;
            there.steps = { step };
            step.from = b;
            step.to = c;
            back.steps = { step };
            translate_job job;
            job.moves[0][0] = plain_moves(64);
            kind.make(there)->run(job);
            kind.make(back)->run(job);
            CHECK(cache_memory::all_of(a) == cache_memory::all_of(c));
        }
}

TEST("steps between two caches with cells of their own") {
    for (const named_maker & kind : implementations()) {
        cache_memory source, target;
        translation plan;
        for (size_t i = 0; i < 4; i++) {
            storage_shape from, to;
            from.n_cells = 40 + 10 * (uint32_t) (i / 2);
            to.n_cells = 50 + 10 * (uint32_t) (i % 2);
            to.type = GGML_TYPE_F32;
            translate_step step;
            step.layer = (uint32_t) i;
            step.from = source.add(from, i / 2);
            step.to = target.add(to, i % 2);
            plan.steps.push_back(step);
        }
        source.allocate();
        target.allocate();
        translate_job job;
        std::vector<std::vector<uint8_t>> before;
        for (size_t i = 0; i < 4; i++) {
            source.fill(plan.steps[i].from, (uint32_t) i);
            before.push_back(cache_memory::all_of(plan.steps[i].to));
            job.moves[i / 2][i % 2] = scattered_moves(20 + (uint32_t) i, 40, 50, (uint32_t) i);
        }
        kind.make(plan)->run(job);
        for (size_t i = 0; i < 4; i++) check_step(plan.steps[i], job, before[i], "cache pair " + std::to_string(i));
    }
}

TEST("caches on a device, and between the device and host memory") {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU);
    if (!device) {
        std::printf("  skipped: OVERFILL_TEST_GPU names no back end with a device\n");
        CHECK(true);
        return;
    }
    ggml_backend_buffer_type_t there = ggml_backend_dev_buffer_type(device);
    const ggml_type types[] = { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q5_1 };
    for (const places & where : { places{ there, nullptr }, places{ nullptr, there }, places{ there, there } }) {
        const std::string way = std::string(where.from ? "device" : "host") + " to " + (where.to ? "device" : "host");
        for (const ggml_type a : types)
            for (const ggml_type b : types) {
                storage_shape from, to;
                from.type = a;
                to.type = b;
                from.n_cells = to.n_cells = 80;
                from.n_stream = to.n_stream = 2;
                from.hadamard = ggml_is_quantized(a) ? 64 : 0;
                to.hadamard = ggml_is_quantized(b) ? 64 : 0;
                check_one(from, to, nothing, scattered_moves(33, 80, 80, 8), pair_name(a, b) + ", " + way, where);
            }
        storage_shape rows, transposed, small;
        transposed.transposed = true;
        small.n_head = 1;
        rows.n_cells = transposed.n_cells = small.n_cells = 700;
        for (const auto & moves : { scattered_moves(50, 700, 700, 9), plain_moves(600, 10, 50) }) {
            check_one(rows, transposed, nothing, moves, "to transposed V, " + way, where);
            check_one(transposed, rows, nothing, moves, "from transposed V, " + way, where);
            check_one(transposed, transposed, nothing, moves, "transposed V as it is, " + way, where);
            check_one(
                rows, rows,
                [](translate_step & step) {
                    step.unrotate = yarn(10000);
                    step.rerotate = with_factors(500000);
                },
                moves, "another RoPE, " + way, where);
            check_one(
                rows, small,
                [](translate_step & step) {
                    step.map = random_map(128, 64, true, 5);
                    step.unrotate = rope(true, 10000);
                    step.rerotate = rope(false, 500000);
                },
                moves, "a linear map, " + way, where);
        }
    }
}
