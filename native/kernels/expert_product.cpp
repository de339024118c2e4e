#include "expert_product.h"

#include "work_layout.h"

#include <algorithm>
#include <cstring>

namespace overfill::kernels {

namespace {

// Who is given what, sorted by expert. Lies in the work memory, written by the first member.
struct assignment {
    int * active;        // experts that are given something
    int * first;         // of each active one, and behind the last: where its columns begin
    int * columns;       // token * slots + slot
    float ** outs;       // of each column
    int * next;          // of each expert
    int * active_count;  // one number

    assignment(std::uint8_t * memory, const expert_product & p) {
        const std::size_t columns_there = std::size_t(p.tokens) * p.slots;
        outs = reinterpret_cast<float **>(memory);
        columns = reinterpret_cast<int *>(memory + columns_there * sizeof(float *));
        active = columns + columns_there;
        first = active + p.experts;
        next = first + p.experts + 1;
        active_count = next + p.experts;
    }
    static std::size_t bytes(const expert_product & p) {
        const std::size_t columns_there = std::size_t(p.tokens) * p.slots;
        return up_to_line(columns_there * (sizeof(float *) + sizeof(int)) +
                          (3 * std::size_t(p.experts) + 2) * sizeof(int));
    }
};

int expert_at(const expert_product & p, int token, int slot) {
    std::int32_t id;
    std::memcpy(&id, p.ids + token * p.id_token_stride + slot * p.id_slot_stride, sizeof id);
    return id;
}

float * out_at(const expert_product & p, int token, int slot) {
    return reinterpret_cast<float *>(p.out + token * p.out_token_stride + slot * p.out_slot_stride);
}

void assign(const expert_product & p, assignment & to) {
    const auto each = [&](auto act) {
        for (int token = 0; token < p.tokens; token++)
            for (int slot = 0; slot < p.slots; slot++) act(token, slot, expert_at(p, token, slot));
    };
    const auto exists = [&](int expert) { return expert >= 0 && expert < p.experts; };
    int * next = to.next;
    std::fill_n(next, p.experts, 0);
    each([&](int token, int slot, int expert) {
        if (exists(expert))
            next[expert]++;
        else
            std::fill_n(out_at(p, token, slot), p.rows, 0.0f);
    });
    int active = 0;
    int begin = 0;
    for (int expert = 0; expert < p.experts; expert++) {
        const int count = next[expert];
        next[expert] = begin;
        if (count == 0) continue;
        to.active[active] = expert;
        to.first[active++] = begin;
        begin += count;
    }
    to.first[active] = begin;
    *to.active_count = active;
    each([&](int token, int slot, int expert) {
        if (!exists(expert)) return;
        to.columns[next[expert]] = token * p.slots + slot;
        to.outs[next[expert]++] = out_at(p, token, slot);
    });
}

}  // namespace

std::size_t work_bytes(const leaf & by, const expert_product & product, int threads) {
    const int columns = product.tokens * product.slots;
    return assignment::bytes(product) + work_bytes(by, product.type, product.elements, columns, threads);
}

void multiply(const leaf & by, const expert_product & product, const team_member & member, void * work) {
    const int type = int(product.type);
    std::uint8_t * memory = aligned(work);
    assignment given(memory, product);
    std::uint8_t * base = memory + assignment::bytes(product);
    const work_layout at(by, product.type, std::size_t(product.elements), std::size_t(product.tokens) * product.slots,
                         std::size_t(member.size));
    if (member.index == 0) {
        assign(product, given);
        member.set_next(member.team, 0);
    }
    member.wait(member.team);

    const int active = *given.active_count;
    const auto columns_of = [&](int place) {
        return at.activations_at(base, product.elements, given.first[place + 1] - given.first[place],
                                 given.first[place]);
    };
    const int chunks = (product.elements + chunk_elements - 1) / chunk_elements;
    for (int place = 0; place < active; place++) {
        const activations x = columns_of(place);
        for (int column = 0; column < x.columns; column++) {
            if ((given.first[place] + column) % member.size != member.index) continue;
            const int which = given.columns[given.first[place] + column];
            const int slot = which % product.slots % product.x_slots;
            const auto * row =
                product.x + which / product.slots * product.x_token_stride + slot * product.x_slot_stride;
            by.quantize[type](reinterpret_cast<const float *>(row), column, 0, chunks, x);
        }
    }
    member.wait(member.team);

    std::uint8_t * scratch = base + at.scratch + at.scratch_each * std::size_t(member.index);
    const int grain = grain_of(by, product.row_stride);
    const int turns_each = (product.rows + grain - 1) / grain;
    const int turns = turns_each * active;
    for (int turn = member.take_next(member.team); turn < turns; turn = member.take_next(member.team)) {
        const int place = turn / turns_each;
        const activations x = columns_of(place);
        const auto * weights = product.weights + given.active[place] * product.expert_stride;
        const int begin = turn % turns_each * grain;
        const int end = std::min(product.rows, begin + grain);
        for (int row = begin; row < end; row += by.panel_rows) {
            row_range range;
            range.rows = weights + std::size_t(row) * product.row_stride;
            range.row_stride = product.row_stride;
            range.count = std::min(by.panel_rows, end - row);
            range.first = row;
            range.outs = given.outs + given.first[place];
            const int behind = std::min(by.panel_rows, product.rows - row - range.count);
            range.ahead = { range.rows + std::size_t(range.count) * product.row_stride,
                            std::size_t(behind) * product.row_stride };
            by.multiply[type](range, x, scratch);
        }
    }
}

}  // namespace overfill::kernels
