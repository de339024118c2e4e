#include "device_constants.h"

#include <cmath>
#include <new>

namespace overfill {

namespace {

std::vector<float> hadamard_matrix(uint32_t size) {
    std::vector<float> h((size_t) size * size);
    for (uint32_t i = 0; i < size; i++)
        for (uint32_t j = 0; j < size; j++) {
            uint32_t common = i & j, odd = 0;
            for (; common; common &= common - 1) odd ^= 1;
            h[(size_t) i * size + j] = (odd ? -1.0f : 1.0f) / std::sqrt((float) size);
        }
    return h;
}

}  // namespace

std::vector<rotation> turns_of(const translate_step & step) {
    const rope_parameters *from = step.unrotate.get(), *to = step.rerotate.get();
    const rotation no_turn = rotation(rope_parameters(), rotation::direction::forward);
    if (from && to && !step.map && rotation::joinable(*from, *to)) return { no_turn, rotation(*from, *to) };
    return { from ? rotation(*from, rotation::direction::back) : no_turn,
             to ? rotation(*to, rotation::direction::forward) : no_turn };
}

device_constants::device_constants(const std::vector<const translate_step *> & steps, ggml_backend_t backend) {
    ctx_.reset(ggml_init({ (5 * steps.size() + 16) * ggml_tensor_overhead(), nullptr, true }));
    if (!ctx_) throw std::bad_alloc();
    for (const translate_step * step : steps) {
        for (const uint32_t size :
             { step->undo_hadamard() ? step->from.hadamard : 0, step->do_hadamard() ? step->to.hadamard : 0 })
            if (size && !hadamard_.count(size)) hadamard_[size] = add(hadamard_matrix(size), size, size);
        for (const rotation & turn : turns_of(*step)) add_rotation(turn);
        if (step->map) add_map(*step->map);
    }
    upload(backend);
}

ggml_tensor * device_constants::add(std::vector<float> values, int64_t ne0, int64_t ne1) {
    ggml_tensor * tensor = ggml_new_tensor_2d(ctx_.get(), GGML_TYPE_F32, ne0, ne1);
    values_.push_back({ tensor, std::move(values) });
    return tensor;
}

void device_constants::add_map(const linear_map & map) {
    ggml_tensor *& weight = maps_[map.weight.data()];
    if (!weight) weight = add(map.weight, map.n_in, map.n_out);
    if (map.bias.empty()) return;
    ggml_tensor *& bias = maps_[map.bias.data()];
    if (!bias) bias = add(map.bias, map.n_out, 1);
}

void device_constants::add_rotation(const rotation & turn) {
    if (turn.n_pairs() == 0 || angles_.count(turn.angles())) return;
    std::vector<float> factors;
    for (const double angle : turn.angles()) factors.push_back((float) (1.0 / angle));  // infinite for no turn
    const int64_t n = (int64_t) factors.size();
    angles_[turn.angles()] = add(std::move(factors), n, 1);
}

void device_constants::upload(ggml_backend_t backend) {
    if (values_.empty()) return;
    buffer_.reset(ggml_backend_alloc_ctx_tensors(ctx_.get(), backend));
    if (!buffer_) throw std::bad_alloc();
    for (const auto & [tensor, values] : values_)
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
    values_.clear();
    values_.shrink_to_fit();
}

}  // namespace overfill
