// The matrix kernels inside ggml's CPU back end: they compute what was named to them and nothing else, and agree with
// ggml's own.
#include "check.h"
#include "cpu_products.h"
#include "devices.h"
#include "product_trials.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>
#include <ggml-cpu.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace overfill;
using namespace overfill::test;

namespace {

ggml_backend_t cpu() {
    static const ggml_backend_ptr made([] {
        load_cpu_backend(std::getenv("OVERFILL_TEST_BACKENDS") ? std::getenv("OVERFILL_TEST_BACKENDS") : "");
        return ggml_backend_dev_init(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), nullptr);
    }());
    return made.get();
}

void set_threads(int count) {
    const auto set = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(ggml_backend_get_device(cpu())), "ggml_backend_set_n_threads");
    set(cpu(), count);
}

struct shape {
    ggml_type type = GGML_TYPE_Q8_0;
    int64_t rows = 96, elements = 512;
    int64_t columns[3] = { 3, 1, 1 };
    // Activations in every second row of a larger tensor.
    bool apart = false;
};

struct expert_shape {
    ggml_type type;
    int64_t experts, slots, tokens;
    // One row of activations for all experts of a token, or one for each.
    bool shared;
};

// A graph of one product, in ggml.
class product_graph {
  public:
    explicit product_graph(const shape & s) : context_(ggml_init({ 1 << 20, nullptr, true })) {
        weights_ = ggml_new_tensor_2d(context_.get(), s.type, s.elements, s.rows);
        const int64_t n = s.columns[0] * (s.apart ? 2 : 1);
        ggml_tensor * x = ggml_new_tensor_4d(context_.get(), GGML_TYPE_F32, s.elements, n, s.columns[1], s.columns[2]);
        ggml_tensor * read = s.apart ? ggml_view_4d(context_.get(), x, s.elements, s.columns[0], s.columns[1],
                                                    s.columns[2], 2 * x->nb[1], x->nb[2], x->nb[3], 0)
                                     : x;
        out_ = ggml_mul_mat(context_.get(), weights_, read);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, out_);
        buffer_.reset(ggml_backend_alloc_ctx_tensors(context_.get(), cpu()));

        fill(x);
    }
    explicit product_graph(const expert_shape & s) : context_(ggml_init({ 1 << 20, nullptr, true })) {
        weights_ = ggml_new_tensor_3d(context_.get(), s.type, 512, 96, s.experts);
        ggml_tensor * x = ggml_new_tensor_3d(context_.get(), GGML_TYPE_F32, 512, s.shared ? 1 : s.slots, s.tokens);
        ggml_tensor * ids = ggml_new_tensor_2d(context_.get(), GGML_TYPE_I32, s.slots, s.tokens);
        out_ = ggml_mul_mat_id(context_.get(), weights_, x, ids);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, out_);
        buffer_.reset(ggml_backend_alloc_ctx_tensors(context_.get(), cpu()));
        fill(x);
        std::vector<int32_t> given(size_t(s.slots * s.tokens));
        std::vector<int32_t> all(size_t(s.experts));
        for (size_t i = 0; i < all.size(); i++) all[i] = int32_t(i);
        std::mt19937 random(8);
        for (int64_t token = 0; token < s.tokens; token++) {
            std::shuffle(all.begin(), all.end(), random);
            std::copy_n(all.begin(), s.slots, given.begin() + token * s.slots);
        }
        ggml_backend_tensor_set(ids, given.data(), 0, given.size() * sizeof(int32_t));
    }
    std::vector<float> compute(int threads = 2) {
        set_threads(threads);
        CHECK_EQUAL(ggml_backend_graph_compute(cpu(), graph_), GGML_STATUS_SUCCESS);
        std::vector<float> out(size_t(ggml_nelements(out_)));
        ggml_backend_tensor_get(out_, out.data(), 0, out.size() * sizeof(float));
        return out;
    }
    std::vector<ggml_backend_buffer_t> buffers() const { return { buffer_.get() }; }

  private:
    void fill(ggml_tensor * x) {
        std::mt19937 random(7);
        std::normal_distribution<float> draw(0, 1);
        std::vector<float> values(size_t(ggml_nelements(weights_)));
        for (float & value : values) value = draw(random);
        std::vector<char> blocks(ggml_nbytes(weights_));
        ggml_quantize_chunk(weights_->type, values.data(), blocks.data(), 0, ggml_nrows(weights_), weights_->ne[0],
                            nullptr);
        ggml_backend_tensor_set(weights_, blocks.data(), 0, blocks.size());
        values.resize(size_t(ggml_nelements(x)));
        for (float & value : values) value = draw(random);
        ggml_backend_tensor_set(x, values.data(), 0, values.size() * sizeof(float));
    }

    const ggml_context_ptr context_;
    ggml_backend_buffer_ptr buffer_;
    ggml_tensor * weights_ = nullptr;
    ggml_tensor * out_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
};

bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// How far the two are apart, in shares of their size.
double distance(const std::vector<float> & a, const std::vector<float> & b) {
    double off = 0;
    double size = 0;
    for (size_t i = 0; i < a.size(); i++) {
        off += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return std::sqrt(off / size);
}

bool have_kernels() {
    cpu();
    return cpu_products().available;
}

}  // namespace

TEST("the state tells the leaf, or why there is none") {
    cpu();
    const auto & state = cpu_products();
    CHECK(!state.leaf.empty());
    CHECK_EQUAL(state.available, state.reason.empty());
    const char * wish = std::getenv("OVERFILL_KERNELS");
    const bool is_off = wish && std::string(wish) == "off";
#if defined(__x86_64__) && defined(__linux__)
    // Elsewhere nothing is promised; here a list that cannot be found any more must not go unseen.
    if (state.leaf != "plain" && !is_off) CHECK(state.available);
#else
    (void) is_off;
#endif
}

TEST("products of a buffer that was named agree with ggml's own, in every type and shape") {
    if (!have_kernels()) return;
    for (const ggml_type type :
         { GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K,
           GGML_TYPE_Q3_K, GGML_TYPE_Q2_K, GGML_TYPE_IQ4_XS, GGML_TYPE_F16, GGML_TYPE_BF16 })
        for (const shape & s :
             { shape{ type }, shape{ type, 65, 256, { 1, 1, 1 } }, shape{ type, 96, 512, { 40, 1, 1 } },
               shape{ type, 64, 1024, { 3, 2, 2 } }, shape{ type, 64, 512, { 4, 3, 1 }, true } }) {
            product_graph graph(s);
            const auto own = graph.compute();
            CHECK(take_products_of(graph.buffers()));
            const auto ours = graph.compute();
            const double apart = distance(ours, own);
            // ggml rounds the activations to the weights' type.
            report(apart < (type == GGML_TYPE_BF16 ? 5e-3 : 2e-3), __FILE__, __LINE__,
                   std::string(ggml_type_name(type)) + " is " + std::to_string(apart) + " away from ggml's");
            for (const int threads : { 1, 3 }) CHECK(same_bits(graph.compute(threads), ours));
            leave_products_of(graph.buffers());
            CHECK(same_bits(graph.compute(), own));
        }
}

TEST("where ggml has kernels for AMX, quantised weights stay its own, and numbers of 16 bits do not") {
    if (!have_kernels() || !cpu_products().leaves_quantized) return;
    for (const ggml_type type : { GGML_TYPE_Q8_0, GGML_TYPE_Q4_K, GGML_TYPE_Q2_K, GGML_TYPE_IQ4_XS }) {
        CHECK(!has_products(type));
        CHECK(needs_repacking(type));
        product_graph graph(shape{ type });
        const auto own = graph.compute();
        CHECK(take_products_of(graph.buffers()));
        CHECK(same_bits(graph.compute(), own));
        leave_products_of(graph.buffers());
    }
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16 }) CHECK(has_products(type) && !needs_repacking(type));
    CHECK(!needs_repacking(GGML_TYPE_F32));
}

TEST("products of experts agree with ggml's own, whoever is given what") {
    if (!have_kernels()) return;
    for (const ggml_type type : { GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_Q6_K })
        for (const expert_shape & s : { expert_shape{ type, 4, 2, 9, true }, expert_shape{ type, 4, 2, 9, false },
                                        expert_shape{ type, 4, 4, 4, false }, expert_shape{ type, 8, 1, 40, true } }) {
            product_graph graph(s);
            const auto own = graph.compute();
            CHECK(take_products_of(graph.buffers()));
            const auto ours = graph.compute();
            const double apart = distance(ours, own);
            report(apart < 2e-3, __FILE__, __LINE__,
                   std::string(ggml_type_name(type)) + " is " + std::to_string(apart) + " away from ggml's");
            for (const int threads : { 1, 3 }) CHECK(same_bits(graph.compute(threads), ours));
            leave_products_of(graph.buffers());
            CHECK(same_bits(graph.compute(), own));
        }
}

TEST("a column has the same bits in any batch of few columns, and in any of many, which ggml's own do not promise") {
    if (!have_kernels()) return;
    for (const ggml_type type : { GGML_TYPE_Q8_0, GGML_TYPE_Q4_K }) {
        if (!has_products(type)) continue;
        for (const auto & counts : { std::vector<int64_t>{ 2, 3, 5, 8 }, std::vector<int64_t>{ 9, 16, 33 } }) {
            std::vector<float> first;
            for (const int64_t columns : counts) {
                product_graph graph(shape{ type, 96, 512, { columns, 1, 1 } });
                CHECK(take_products_of(graph.buffers()));
                auto out = graph.compute();
                leave_products_of(graph.buffers());
                out.resize(96);
                if (first.empty()) first = out;
                CHECK(same_bits(out, first));
            }
        }
    }
}

TEST("a few columns of numbers of 16 bits stay ggml's") {
    if (!have_kernels() || !has_products(GGML_TYPE_F16)) return;
    const auto changes = [](int64_t columns) {
        product_graph graph(shape{ GGML_TYPE_F16, 96, 512, { columns, 1, 1 } });
        const auto own = graph.compute();
        CHECK(take_products_of(graph.buffers()));
        const bool changed = !same_bits(graph.compute(), own);
        leave_products_of(graph.buffers());
        return changed;
    };
    for (const int64_t columns : { 1, 2, 8, 15 }) CHECK(!changes(columns));
    // Where all products are taken, ggml's own are not to be had.
    for (const int64_t columns : { 16, 64 }) CHECK(changes(columns) != cpu_products().takes_all);
}

TEST("a type without a kernel, and a buffer that was not named, stay ggml's") {
    if (!have_kernels()) return;
    product_graph other(shape{ GGML_TYPE_Q5_1 });
    const auto own = other.compute();
    CHECK(take_products_of(other.buffers()));
    CHECK(same_bits(other.compute(), own));
    leave_products_of(other.buffers());

    product_graph named(shape{});
    product_graph unnamed(shape{});
    const auto before = unnamed.compute();
    CHECK(take_products_of(named.buffers()));
    CHECK(same_bits(unnamed.compute(), before));
    leave_products_of(named.buffers());
}

TEST("a trial tells for each type how much faster than ggml's the kernels are, and is held once") {
    if (!have_kernels()) return;
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<ggml_type> types = has_products(GGML_TYPE_Q8_0)
                                             ? std::vector<ggml_type>{ GGML_TYPE_Q8_0, GGML_TYPE_Q4_K }
                                             : std::vector<ggml_type>{ GGML_TYPE_F16, GGML_TYPE_BF16 };
    const auto trials = try_products(types);
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begun;
    std::printf("  two types in %.0f ms\n", spent.count());
    CHECK_EQUAL(trials.size(), 2u);
    for (const auto & trial : trials) CHECK(trial.is_right && trial.one > 0 && trial.few > 0 && trial.many > 0);
    CHECK_EQUAL(trials[1].type, types[1]);
    CHECK_EQUAL(try_products({ types[0] })[0].many, trials[0].many);

    const auto is_won = [](double one, double few, double many) {
        return product_trial{ GGML_TYPE_Q8_0, one, few, many }.is_won();
    };
    CHECK(is_won(1, 2, 3));
    CHECK(is_won(0.9, 0.9, 1.3));
    CHECK(!is_won(0.7, 3, 3));
    CHECK(!is_won(1, 0.7, 3));
    CHECK(!is_won(1, 1, 1));
    CHECK(!is_won(0, 0, 0));
    CHECK(!(product_trial{ GGML_TYPE_Q8_0, 1, 2, 3, false }).is_won());
}

TEST("more buffers than there are places for are refused and change nothing") {
    if (!have_kernels()) return;
    std::vector<char> places(1000);
    std::vector<ggml_backend_buffer_t> many;
    for (char & place : places) many.push_back((ggml_backend_buffer_t) &place);
    CHECK(!take_products_of(many));
    product_graph graph(shape{});
    const auto own = graph.compute();
    for (int i = 0; i < 2000; i++) {
        CHECK(take_products_of(graph.buffers()));
        leave_products_of(graph.buffers());
    }
    CHECK(same_bits(graph.compute(), own));
}
