// What a caller asks of the engine and what it gets back: plain data, checked by the facade for type and range and here
// for everything that llama.cpp would answer with an abort.
#pragma once

#include "adapters.h"
#include "cache_ledger.h"
#include "handover.h"
#include "histogram.h"
#include "models.h"
#include "pair_plan.h"
#include "prefix_cache.h"
#include "prefix_files.h"
#include "sampler_chain.h"
#include "translate_handover.h"

#include <ggml.h>
#include <llama.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

class cell_source;

// A quarter of what is left of the memory, or at least so much.
constexpr uint64_t default_prefix_cache_bytes = UINT64_MAX;
constexpr uint64_t least_prefix_cache_bytes = 64u << 20;

enum class flash_attention { automatic, on, off };

// One decode model of a pair.
struct writer_options {
    std::string name;
    model_options model;  // an empty path: the prefill model itself, adapters included
    std::vector<adapter_options> adapters;
    // Its own cache, where it differs from the prefill model's.
    std::optional<ggml_type> cache_type_k;
    std::optional<ggml_type> cache_type_v;
    std::optional<flash_attention> attention;
    // At most one of these; see find_translator.
    std::string translator_path;
    std::vector<int32_t> layers;
    std::string layer_rule;  // a name that named_layer_map knows
};

struct pair_options {
    model_options prefill;
    // The first decode model, field by field; see writer_options.
    std::string decode_name = "decode";
    model_options decode;
    std::vector<adapter_options> prefill_adapters;
    std::vector<adapter_options> decode_adapters;
    uint32_t context_size = 0;  // tokens a session; 0: what both models were trained on, at most 4096
    uint32_t cache_tokens = 0;  // of all sessions together, in one pool; 0: context_size of each in a stream of its own
    uint32_t max_sessions = 1;
    uint32_t max_waiting = 64;   // calls for one more session that wait for a place
    uint32_t batch_size = 512;   // tokens a micro-batch of the prefill
    double prefill_share = 0.6;  // of the time, while answers are written; see piece_size
    // For tests: whether the models are taken for ones on different devices. See pair::runs_apart.
    std::optional<bool> apart;
    // For tests: after how many tokens a prefill hands over what it has read. See pair::handed_ahead.
    std::optional<uint32_t> handed_ahead;
    // Who reads in the prefill model's place, on another machine; empty: nobody. Part of what saved sessions and stored
    // prefixes are told apart by.
    std::string reader_elsewhere;
    // Of ordinary memory for what was read before; 0: it is not kept.
    uint64_t prefix_cache_bytes = 0;
    uint64_t available_bytes = 0;    // of ordinary memory before the load, for the default of that
    std::string prefix_directory;    // where it is kept on disk as well; empty: nowhere
    uint64_t prefix_disk_bytes = 0;  // there
    int32_t n_threads = 1;
    ggml_type cache_type_k = GGML_TYPE_F16;
    ggml_type cache_type_v = GGML_TYPE_F16;
    flash_attention attention = flash_attention::automatic;
    std::optional<ggml_type> decode_cache_type_k;
    std::optional<ggml_type> decode_cache_type_v;
    std::optional<flash_attention> decode_attention;
    handover_choice handover = handover_choice::automatic;
    implementation_choice implementation = implementation_choice::automatic;
    std::string cuda_library;  // see implementation_options
    std::string translator_path;
    std::vector<int32_t> layers;
    std::string layer_rule;
    std::vector<writer_options> more_writers;  // the other decode models

    // All decode models; the first is the default.
    std::vector<writer_options> writers() const;
    void set_first_writer(const writer_options & writer);
    // Whether they were given names, which errors then tell.
    bool names_writers() const { return decode_name != "decode" || !more_writers.empty(); }
    // Whether even one model has two caches where this one writes.
    bool asks_for_two_caches(const writer_options & writer) const;
};

// A decode model of a loaded pair.
struct writer_info {
    std::string name;
    model_traits model;
    std::vector<adapter_facts> adapters;
    pair_plan plan;
    bool runs_apart = false;  // can compute while the prefill model does
};

struct pair_info {
    model_traits prefill;
    std::vector<adapter_facts> prefill_adapters;
    std::vector<writer_info> writers;  // at least one; the first is the default
    uint32_t context_size = 0;         // tokens a session, as allocated
    uint32_t cache_tokens = 0;         // of all sessions together, as allocated
    uint32_t max_sessions = 1;
    uint32_t batch_size = 0;
    int32_t n_threads = 1;
    uint64_t kv_bytes_per_token = 0;
    uint64_t kv_bytes = 0;            // all caches together; one when shared
    uint64_t prefix_cache_bytes = 0;  // at most; 0: there is none
    bool flash_attn = true;
    kernel_use kernels;  // of the prefill model, or of the first decode model that has them
    double load_ms = 0;
};

// The engine thread's tasks at this moment.
struct task_counts {
    size_t n_running = 0;  // in the step that it is at
    size_t n_ready = 0;    // wait for their turn
    size_t n_parked = 0;   // wait for a reader
};

// Totals since the load: tokens that the prefill model and that all decode models have read, and in how many batches.
struct pair_metrics {
    uint64_t n_prefill_tokens = 0;
    uint64_t n_prefill_batches = 0;
    uint64_t n_decode_tokens = 0;
    uint64_t n_decode_batches = 0;
    uint32_t n_sessions = 0;   // open
    uint32_t n_waiting = 0;    // calls that wait for a place
    uint32_t n_aside = 0;      // sessions that are put aside; see cache_pool
    uint64_t n_put_aside = 0;  // how often one was
    // Turns that answers had while the prefill model computed; see scheduler::compute_beside.
    uint64_t n_turns_beside = 0;
    prefix_cache_counts prefixes;
    prefix_files_counts prefix_files;
    task_counts tasks;
    histogram_counts first_token_ms, between_tokens_ms, decode_batch_sizes;  // see pair_meters.h
};

// What wakes a lazy grammar; kinds and meaning are llama.cpp's (common_grammar_trigger).
struct grammar_trigger {
    enum class kind {
        token,         // this token, or the text that is one
        word,          // the text, wherever it stands
        pattern,       // a regular expression
        whole_pattern  // one that the whole answer has to match
    };
    kind is = kind::word;
    std::string value;
    llama_token token = LLAMA_TOKEN_NULL;

    bool operator==(const grammar_trigger & o) const { return is == o.is && value == o.value && token == o.token; }
};

// How long an answer may reason; see reasoning_budget.h. Tags are texts, with control tokens in them.
struct reasoning_options {
    int32_t budget = -1;  // tokens; negative: no limit
    std::vector<std::string> start_tags;
    std::vector<std::string> end_tags;  // the first is what the end of the budget forces
    std::string message;                // which comes before that tag
    bool inside = false;                // the prompt ends within reasoning

    bool operator==(const reasoning_options & o) const {
        return budget == o.budget && start_tags == o.start_tags && end_tags == o.end_tags && message == o.message &&
               inside == o.inside;
    }
};

struct sampling_options : chain_options {
    bool has_seed = false;
    uint32_t seed = 0;
    bool ignore_eos = false;
    std::vector<std::pair<llama_token, float>> logit_bias;
    std::string grammar;        // GBNF; empty: none
    bool grammar_lazy = false;  // it sleeps until a trigger comes
    std::vector<grammar_trigger> grammar_triggers;
    // The end of the prompt that the grammar, if it is not lazy, and the budget for reasoning see as the answer's
    // beginning.
    std::string generation_prompt;
    std::optional<reasoning_options> reasoning;
    int32_t n_log_probs = -1;  // -1: none; n: the chosen token's and the n most likely ones'
};

// Whose answer it is to be; see verified_decoding.h.
struct quality_options {
    enum class kind {
        fast,   // the writer's
        exact,  // the prefill model's: the writer drafts
        near    // the writer's where the prefill model finds it likely enough
    };
    kind is = kind::fast;
    float acceptance = 1.0f;  // near: the least probability, in those of the likeliest token
    // Drafts are looked for in the text as well.
    bool finds_drafts = true;
    // For benchmarks, as models of random weights agree on nothing: a drafted token stays with this probability,
    // whatever the models say. Negative: no such thing.
    float synthetic = -1.0f;
    // Always so many tokens are drafted, so that nothing depends on measured times; 0: as many as pay.
    uint32_t fixed_draft = 0;

    bool verifies() const { return is != kind::fast; }
};

// See refresh_budget.h.
struct refresh_budget_options {
    double share = 0;          // of the time that writing takes, which refreshes may take beside it; 0: none
    bool fixed_costs = false;  // as if they were the same on every machine, so that an answer does not depend on times
};

struct decode_options {
    sampling_options sampling;
    quality_options quality;
    uint32_t max_tokens = 0;  // 0: until the answer ends or the context is full
    std::vector<std::string> stop;
    bool special = false;  // render control tokens as text
    // The texts of tokens that are rendered even so, that which ends the answer included.
    std::vector<std::string> preserved_tokens;
    uint32_t refresh_interval = 0;  // tokens of the answer after which the prefill model reads them again; 0: never
    refresh_budget_options refresh_budget;
    bool deterministic = false;       // computed alone, whatever other sessions do: batches change the last bits
    int32_t priority = 0;             // the higher, the sooner; see prefill_options
    std::optional<pair_side> writer;  // none: the one that the session has switched to
};

struct prefill_options {
    bool refresh = true;        // read what the decode model wrote again with the prefill model
    bool parse_special = true;  // text such as "<|im_end|>" becomes the control token
    // The prompt is all that the session is to hold: what it has in common with it stays, the rest goes first.
    bool replace = false;
    bool deterministic = false;  // in whole micro-batches even while answers are written
    int32_t priority = 0;        // a higher one is read before a lower one
    // Somebody else reads, and gives what came of it; null: the prefill model here.
    std::shared_ptr<cell_source> elsewhere;
};

struct prefill_result {
    uint32_t n_prompt_tokens = 0;     // new ones
    uint32_t n_kept_tokens = 0;       // with `replace`: the common beginning, refreshed or not
    uint32_t n_refreshed_tokens = 0;  // read again
    uint32_t n_cached_tokens = 0;     // of those and of the new ones, taken over from the prefix cache
    uint32_t n_context_tokens = 0;    // in the session now
    double milliseconds = 0;
};

enum class finish_reason { eos, stop, length, abort, context };
const char * finish_reason_name(finish_reason reason);

// The reads of the prefill model, the drafted tokens that it checked, those of them that came from the text, those that
// it kept, and those in whose place it put one of its own.
struct verification_sums {
    uint32_t n_checks = 0;
    uint32_t n_drafted_tokens = 0;
    uint32_t n_found_tokens = 0;
    uint32_t n_kept_tokens = 0;
    uint32_t n_replaced_tokens = 0;
};

struct decode_result {
    finish_reason reason = finish_reason::eos;
    std::string stop;             // the stop string found
    uint32_t n_tokens = 0;        // given to the caller
    uint32_t n_decode_steps = 0;  // tokens read by the writer
    uint32_t n_refreshes = 0;
    uint32_t n_refreshed_tokens = 0;
    std::optional<verification_sums> verification;  // of verified decoding
    uint32_t seed = 0;
    std::string writer;       // its name
    double milliseconds = 0;  // spent on this answer, waiting for the reader not counted
    double refresh_ms = 0;    // of which refreshes took
};

// What one step of a refresh has done.
struct refresh_step {
    bool aborted = false;
    bool done = false;
    uint32_t n_tokens = 0;  // read again
    double milliseconds = 0;
};

enum class session_stage { empty, prefilled, switched, paused, ended, interrupted };
const char * session_stage_name(session_stage stage);

struct session_stats {
    session_stage stage = session_stage::empty;
    uint32_t n_context_tokens = 0;
    uint32_t context_size = 0;
    uint32_t n_prefill_tokens = 0;  // read by the prefill model since the session began, refreshes included
    uint32_t n_refreshed_tokens = 0;
    uint32_t n_cached_tokens = 0;  // taken over from the prefix cache instead
    uint32_t n_decode_tokens = 0;  // generated
    double prefill_ms = 0;
    double switch_ms = 0;
    double decode_ms = 0;
    uint32_t n_decode_steps = 0;
    // Read again because the memory had to go back further than was asked for; the time is part of the above.
    uint32_t n_restored_tokens = 0;
    double restore_ms = 0;
};

}  // namespace overfill
