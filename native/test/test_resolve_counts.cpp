// Sizes from wishes, case by case, and the widths that a target gives, against every width tried.
#include "check.h"
#include "prune_shapes.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace overfill;
using namespace overfill::test;

static uint32_t hidden_of(const size_wish & wish, uint32_t multiple, uint32_t n) {
    prune_request request;
    request.hidden = wish;
    request.multiple = multiple;
    return resolve(request, shape_of(n, 64, 4, 2, 2)).counts.n_embd;
}

// The parameters of a llama model with an untied output.
static uint64_t n_params_of(const kept_counts & c) {
    const uint64_t head = 64, e = c.n_embd;
    const uint64_t attention = e * head * (2 * c.n_head + 2 * c.n_head_kv);
    return 2 * 1000 * e + e + c.n_layer * (attention + 3 * e * c.n_ff + 2 * e);
}

TEST("widths are rounded to the nearest multiple, halves up") {
    struct {
        size_wish wish;
        uint32_t multiple, n, expected;
    } const cases[] = {
        { count(1689), 256, 3072, 1792 },  // 6.6 multiples
        { count(1664), 256, 3072, 1792 },  // 6.5
        { count(1663), 256, 3072, 1536 },
        { count(1689), 1, 3072, 1689 },
        { count(1), 256, 3072, 256 },      // at least one
        { count(3000), 256, 3072, 3072 },  // the nearest is all of it
        { count(3071), 1, 3072, 3071 },
        { count(3072), 256, 3072, 3072 },
        { count(20), 32, 24, 24 },         // narrower than a multiple
        { count(990), 256, 1000, 768 },    // 1024 is out of reach
        { count(1000), 256, 1000, 1000 },  // nothing is asked for
        { ratio(0), 256, 1000, 1000 },
        { size_wish{}, 256, 1000, 1000 },
        { ratio(0.9), 1, 10, 1 },  // not 0, although 10 * (1 - 0.9) is below 1 in float64
        { ratio(0.45), 1, 3072, 1689 },
        { ratio(0.43), 1, 4096, 2334 },
        { count(5), 3, 9, 6 },
        { count(4), 3, 9, 3 },
    };
    for (const auto & c : cases) CHECK_EQUAL(hidden_of(c.wish, c.multiple, c.n), c.expected);
}

TEST("the paper's ratios give the paper's widths, and near ones that can be quantised") {
    prune_request request;
    request.hidden = request.ffn = ratio(0.45);
    request.multiple = 1;
    CHECK_EQUAL(resolve(request).counts.n_embd, 1689u);
    CHECK_EQUAL(resolve(request).counts.n_ff, 4505u);
    request.multiple = 0;
    const resolved_counts rounded = resolve(request);
    CHECK_EQUAL(rounded.counts.n_embd, 1792u);
    CHECK_EQUAL(rounded.counts.n_ff, 4608u);
    CHECK_EQUAL(rounded.wished.n_embd, 1689u);
    CHECK_EQUAL(rounded.wished.n_ff, 4505u);
    CHECK_EQUAL(rounded.multiple, 256u);
    CHECK_EQUAL(rounded.counts.n_layer, 28u);
    CHECK_EQUAL(rounded.counts.n_head, 24u);
    CHECK_EQUAL(rounded.counts.n_head_kv, 8u);
}

TEST("the default multiple is at most a quarter of the width, and at least 32") {
    const std::vector<std::pair<uint32_t, uint32_t>> cases = {
        { 16, 32 }, { 128, 32 }, { 255, 32 }, { 256, 64 }, { 511, 64 }, { 512, 128 }, { 1023, 128 }, { 1024, 256 },
    };
    for (const auto & [width, expected] : cases) CHECK_EQUAL(default_multiple(width), expected);
    prune_request request;
    request.ffn = ratio(0.5);
    const resolved_counts counts = resolve(request, shape_of(576, 1536, 9, 3, 30));
    CHECK_EQUAL(counts.counts.n_ff, 768u);
    CHECK_EQUAL(counts.multiple, 128u);
}

TEST("heads are kept in equal numbers by every KV head, and go with it") {
    const auto heads = [](const size_wish & heads, const size_wish & kv_heads) {
        prune_request request;
        request.heads = heads;
        request.kv_heads = kv_heads;
        const resolved_counts out = resolve(request, shape_of(64, 64, 32, 8, 2));
        return text_of(indices{ out.counts.n_head, out.counts.n_head_kv, out.wished.n_head, out.wished.n_head_kv });
    };
    CHECK_EQUAL(heads({}, {}), "32 8 32 8 ");
    CHECK_EQUAL(heads(ratio(0.5), {}), "16 8 16 8 ");
    CHECK_EQUAL(heads(count(20), {}), "24 8 20 8 ");  // 2.5 a group
    CHECK_EQUAL(heads(count(19), {}), "16 8 19 8 ");
    CHECK_EQUAL(heads(count(1), {}), "8 8 1 8 ");
    CHECK_EQUAL(heads({}, count(3)), "12 3 12 3 ");
    CHECK_EQUAL(heads(ratio(0.5), ratio(0.5)), "16 4 16 4 ");
    CHECK_EQUAL(heads(ratio(0.25), ratio(0.5)), "16 4 16 4 ");  // no more are left
    CHECK_EQUAL(heads(count(5), count(3)), "6 3 5 3 ");
}

TEST("wishes that leave nothing or cannot be are refused, each by its option") {
    const auto refused = [](const char * option, const std::function<void(prune_request &)> & change) {
        prune_request request;
        change(request);
        std::string parameter;
        CHECK_FAILURE(error_code::invalid_argument, {
            try {
                resolve(request);
            } catch (const failure & error) {
                for (const auto & [key, value] : error.details())
                    if (key == "parameter") parameter = *value.text();
                throw;
            }
        });
        CHECK_EQUAL(parameter, std::string("options.") + option);
    };
    const std::vector<std::pair<const char *, size_wish prune_request::*>> wishes = {
        { "hidden", &prune_request::hidden }, { "ffn", &prune_request::ffn },
        { "heads", &prune_request::heads },   { "kvHeads", &prune_request::kv_heads },
        { "layers", &prune_request::layers },
    };
    const std::vector<size_wish> bad = { ratio(1),       ratio(-0.1),   ratio(2),     ratio(NAN),
                                         ratio(0.99999), count(0),      count(-1),    count(1.5),
                                         count(NAN),     count(100000), count(1e300), ratio(INFINITY) };
    for (const auto & [option, field] : wishes)
        for (const size_wish & wish : bad) {
            const auto member = field;
            refused(option, [&](prune_request & request) { request.*member = wish; });
        }
    refused("heads", [](prune_request & request) {
        request.kv_heads = count(2);
        request.heads = count(7);
    });
    refused("layerRule", [](prune_request & request) { request.layer_rule = "spaced"; });
    for (const indices & list : { indices{ 28 }, indices{ 1, 1 }, indices{ 2, 1 }, indices{ 0, 4000000000u } })
        refused("layers", [&](prune_request & request) { request.layer_list = list; });
    refused("targetBytes", [](prune_request & request) { request.target_params = request.target_bytes = 5; });
    refused("targetSize", [](prune_request & request) {
        request.target_params = 5;
        request.hidden = request.ffn = ratio(0);
    });
}

TEST("a request knows whether it needs importance") {
    const auto needs = [](const std::function<void(prune_request &)> & change) {
        prune_request request;
        change(request);
        return request.needs_importance();
    };
    CHECK(!needs([](prune_request &) {}));
    CHECK(!needs([](prune_request & r) { r.layers = ratio(0.5); }));
    CHECK(!needs([](prune_request & r) { r.layer_list = { 0, 1 }; }));
    CHECK(!needs([](prune_request & r) { r.hidden = r.ffn = ratio(0); }));
    CHECK(needs([](prune_request & r) { r.layers = ratio(0.5), r.layer_rule = "influence"; }));
    CHECK(!needs([](prune_request & r) { r.layer_list = { 0 }, r.layers = ratio(0.5), r.layer_rule = "influence"; }));
    CHECK(needs([](prune_request & r) { r.hidden = ratio(0.1); }));
    CHECK(needs([](prune_request & r) { r.ffn = count(4); }));
    CHECK(needs([](prune_request & r) { r.heads = count(4); }));
    CHECK(needs([](prune_request & r) { r.kv_heads = count(4); }));
    CHECK(needs([](prune_request & r) { r.target_bytes = 4; }));
    CHECK(!needs([](prune_request & r) { r.hidden = ratio(0.1), r.order = selection_order::random; }));
    CHECK(needs([](prune_request & r) { r.hidden = ratio(0.1), r.order = selection_order::unimportant; }));
}

TEST("a target gives what trying every width gives") {
    std::mt19937 random(3);
    size_t n_found = 0, n_too_small = 0, n_too_large = 0;
    for (int round = 0; round < 400; round++) {
        const uint32_t multiple = 1u << (random() % 5);
        const model_shape shape = shape_of(8 + random() % 120, 8 + random() % 300, 4, 2, 1 + random() % 4);
        const bool in_bytes = random() % 2 != 0;
        // Bytes as a quantisation has them: rows of odd widths stay in a larger type.
        const auto plan = [&](const kept_counts & c) {
            rewrite_plan out;
            out.n_params = n_params_of(c);
            out.n_bytes = out.n_params * (c.n_embd % 32 == 0 ? 1 : 2);
            return out;
        };
        const auto size_of = [&](uint32_t n_embd, uint32_t n_ff) {
            kept_counts counts = counts_of(shape);
            counts.n_embd = n_embd;
            counts.n_ff = n_ff;
            const rewrite_plan p = plan(counts);
            return std::make_pair(in_bytes ? p.n_bytes : p.n_params, p.n_params);
        };
        const uint64_t whole = size_of(shape.n_embd, shape.n_ff).first;
        const uint64_t target = 1 + (uint64_t) ((random() % 1100) / 1000.0 * (double) whole);

        prune_request request;
        request.multiple = multiple;
        (in_bytes ? request.target_bytes : request.target_params) = target;
        const int fixed = (int) (random() % 3);  // 1: hidden, 2: ffn
        if (fixed == 1) request.hidden = count(1 + random() % shape.n_embd);
        if (fixed == 2) request.ffn = count(1 + random() % shape.n_ff);

        const auto widths = [&](uint32_t n) {
            indices out;
            for (uint32_t width = 1; width <= n; width++)
                if (width % multiple == 0 || width == n) out.push_back(width);
            return out;
        };
        prune_request alone = request;
        alone.target_params = alone.target_bytes = 0;
        const kept_counts start = resolve(alone, shape).counts;
        const indices all_hidden = fixed == 1 ? indices{ start.n_embd } : widths(shape.n_embd);
        const indices all_ffn = fixed == 2 ? indices{ start.n_ff } : widths(shape.n_ff);

        // The best on the line of one common ratio, then the widest FFN beside it.
        bool fits = false;
        uint32_t n_embd = 0, n_ff = 0;
        uint64_t n_params = 0;
        const auto offer = [&](uint32_t h, uint32_t f) {
            const auto [size, params] = size_of(h, f);
            if (size > target || params < n_params) return;
            fits = true;
            n_embd = h, n_ff = f, n_params = params;
        };
        for (const uint32_t h : all_hidden) {
            double nearest = INFINITY;
            for (const uint32_t f : all_ffn)
                nearest = std::min(nearest, std::fabs(f - (double) h / shape.n_embd * all_ffn.back()));
            for (const uint32_t f : all_ffn) {
                const bool is_nearest = std::fabs(f - (double) h / shape.n_embd * all_ffn.back()) == nearest;
                const bool wider_too = std::find(all_ffn.begin(), all_ffn.end(), f + multiple) != all_ffn.end() &&
                                       std::fabs(f + multiple - (double) h / shape.n_embd * all_ffn.back()) == nearest;
                if (fixed == 1 || (is_nearest && !wider_too)) offer(h, f);
            }
        }
        if (fits) {
            const uint32_t h = n_embd;
            for (const uint32_t f : all_ffn)
                if (f > n_ff) offer(h, f);
        }
        const bool is_all = fits && n_embd == start.n_embd && n_ff == start.n_ff &&
                            (fixed == 1 || n_embd == shape.n_embd) && (fixed == 2 || n_ff == shape.n_ff);
        if (!fits || (is_all && size_of(n_embd, n_ff).first < target)) {
            const std::string message =
                CHECK_FAILURE(error_code::invalid_argument, resolve_counts(request, shape, plan));
            CHECK(message.find(fits ? "already smaller than that" : "smallest model") != std::string::npos);
            (fits ? n_too_large : n_too_small)++;
            continue;
        }
        n_found++;
        const kept_counts found = resolve_counts(request, shape, plan).counts;
        CHECK_EQUAL(text_of(indices{ found.n_embd, found.n_ff }), text_of(indices{ n_embd, n_ff }));
        CHECK(size_of(found.n_embd, found.n_ff).first <= target);
    }
    CHECK(n_found > 100 && n_too_small > 20 && n_too_large > 20);
}

TEST("a target in parameters meets the paper's 1B, heads and layers as wished") {
    prune_request request;
    request.target_params = 1000000000;
    const auto plan = [&](const kept_counts & c) {
        rewrite_plan out;
        // Llama 3.2 3B: tied embeddings, head size 128.
        out.n_params = 128256ull * c.n_embd + c.n_layer * (c.n_embd * 128ull * 2 * (c.n_head + c.n_head_kv) +
                                                           3ull * c.n_embd * c.n_ff + 2 * c.n_embd);
        return out;
    };
    const resolved_counts found = resolve_counts(request, llama_3b(), plan);
    const uint64_t size = plan(found.counts).n_params;
    CHECK(size <= request.target_params && size > request.target_params * 95 / 100);
    CHECK(found.counts.n_embd % 256 == 0 && found.counts.n_ff % 256 == 0);
    CHECK(found.wished == found.counts);
    request.layers = ratio(0.5);
    request.heads = count(8);
    const resolved_counts shallow = resolve_counts(request, llama_3b(), plan);
    CHECK_EQUAL(shallow.counts.n_layer, 14u);
    CHECK_EQUAL(shallow.counts.n_head, 8u);
    CHECK(shallow.counts.n_embd > found.counts.n_embd);
    CHECK(plan(shallow.counts).n_params <= request.target_params);
}

TEST("widths that a type cannot hold are passed over by a target, unless it can hold none") {
    const model_shape shape = shape_of(96, 192, 4, 2, 2);
    prune_request request;
    request.multiple = 16;
    request.target_params = n_params_of({ 80, 160, 4, 2, 2 });
    const auto only = [&](uint32_t step) {
        return [step](const kept_counts & c) {
            if (c.n_embd % step != 0 || c.n_ff % step != 0)
                throw failure(error_code::invalid_argument, "no such rows", { { "parameter", "options.quantize" } });
            rewrite_plan out;
            out.n_params = n_params_of(c);
            return out;
        };
    };
    CHECK_EQUAL(resolve_counts(request, shape, only(16)).counts.n_embd, 80u);
    CHECK_EQUAL(resolve_counts(request, shape, only(32)).counts.n_embd, 64u);
    const std::string message = CHECK_FAILURE(error_code::invalid_argument, resolve_counts(request, shape, only(1000)));
    CHECK_EQUAL(message, "no such rows");
    CHECK_FAILURE(error_code::prune_unsupported,
                  resolve_counts(request, shape, [](const kept_counts &) -> rewrite_plan {
                      throw failure(error_code::prune_unsupported, "not this one");
                  }));
}
