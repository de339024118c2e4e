// What the package's exact answers are measured against: speculative decoding over llama.h as llama.cpp's own example does
// it (examples/speculative with one drafted sequence, greedily). Two contexts, each with a cache of its own: the draft
// model reads the prompt as well and drafts k tokens, the target model reads them in one batch, and both caches are cut
// behind what was kept. Each model reads every token of the answer once; llama.cpp's newer example, speculative-simple,
// has the draft model read each check again, which only takes longer.
//
//   speculative <target model> <draft model> <folder of the back ends> <threads> <context size>
//
// Writes "ready" and the bytes of the draft model's cache when the models are loaded, then obeys lines from its standard
// input:
//
//   prompt <token> <token> ...   forgets everything, reads the tokens with both models and chooses the first one of the
//                                answer; answers with the milliseconds
//   decode <n> <k> <acceptance> <seed>
//                                writes n more tokens, drafts of k at most, then goes back to behind the prompt; answers
//                                with the milliseconds, the drafted tokens and the checks
//
// Models of random weights agree on nothing. So a drafted token stays with the given probability; else it is replaced by
// the target's likeliest token. Which ones stay goes by the same numbers as with the package's syntheticAcceptance.
#include "token_distribution.h"

#include <ggml-backend.h>
#include <llama-ext.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

[[noreturn]] void give_up(const std::string & why) {
    std::cerr << "speculative: " << why << std::endl;
    std::exit(1);
}

struct stopwatch {
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();

    double milliseconds() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    }
};

// A model with its own context and cache.
struct reader {
    llama_context * ctx     = nullptr;
    int32_t         n_vocab = 0;
    int32_t         n_read  = 0;  // tokens in the cache
    llama_batch     batch{};

    void open(const char * path, int n_threads, uint32_t n_ctx) {
        llama_model_params model_params = llama_model_default_params();
        model_params.n_gpu_layers       = 0;
        llama_model * model             = llama_model_load_from_file(path, model_params);
        if (!model) give_up(std::string("could not load ") + path);
        llama_context_params params = llama_context_default_params();
        params.n_ctx                = n_ctx;
        params.n_batch = params.n_ubatch = 512;
        params.n_threads = params.n_threads_batch = n_threads;
        ctx                                       = llama_init_from_model(model, params);
        if (!ctx) give_up("could not make a context");
        n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
        batch   = llama_batch_init((int32_t) params.n_batch, 0, 1);
    }

    // Behind what was read. Logits of the last token, or of all.
    void read(const llama_token * tokens, int32_t n, bool all_logits) {
        batch.n_tokens = n;
        for (int32_t i = 0; i < n; i++) {
            batch.token[i]     = tokens[i];
            batch.pos[i]       = n_read + i;
            batch.n_seq_id[i]  = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i]    = all_logits || i == n - 1;
        }
        if (llama_decode(ctx, batch) != 0) give_up("llama_decode failed");
        n_read += n;
    }

    void read_prompt(const std::vector<llama_token> & tokens) {
        cut(0);
        for (size_t i = 0; i < tokens.size(); i += 512)
            read(tokens.data() + i, (int32_t) std::min(tokens.size() - i, (size_t) 512), false);
    }

    void cut(int32_t n) {
        if (n < n_read && !llama_memory_seq_rm(llama_get_memory(ctx), 0, n, -1)) give_up("the cache cannot be cut");
        n_read = std::min(n_read, n);
    }

    llama_token likeliest(int32_t row) const {
        const float * logits = llama_get_logits_ith(ctx, row);
        return (llama_token) (std::max_element(logits, logits + n_vocab) - logits);
    }

    size_t cache_bytes() const {
        size_t sum = 0;
        for (const auto & one : llama_get_memory_breakdown(ctx)) sum += one.second.context;
        return sum;
    }
};

struct loop {
    reader                   target, draft;
    std::vector<llama_token> text;  // the last one is in neither cache
    int32_t                  n_before   = 0;
    int                      n_drafted  = 0;
    int                      n_checks   = 0;

    void prompt(const std::vector<llama_token> & tokens) {
        target.read_prompt(tokens);
        draft.read_prompt(tokens);
        text     = tokens;
        n_before = (int32_t) tokens.size();
        text.push_back(target.likeliest(-1));
    }

    void decode(int n, int k, double acceptance, uint32_t seed) {
        n_drafted = n_checks = 0;
        const size_t end = text.size() + (size_t) n;
        while (text.size() < end) check(std::min(k, (int) (end - text.size()) - 1), acceptance, seed);
    }

    // One draft of k tokens, and what the target says to it.
    void check(int k, double acceptance, uint32_t seed) {
        std::vector<llama_token> tokens = { text.back() };
        for (int i = 0; i < k; i++) {
            // At first what was written since its last draft: one token, or two where all of that was kept.
            if (i == 0)
                draft.read(text.data() + draft.n_read, (int32_t) text.size() - draft.n_read, false);
            else
                draft.read(&tokens.back(), 1, false);
            tokens.push_back(draft.likeliest(-1));
        }
        target.read(tokens.data(), (int32_t) tokens.size(), true);
        n_drafted += k;
        n_checks++;
        for (int32_t i = 0; i <= k; i++) {
            const uint64_t position = (uint64_t) text.size() - (uint64_t) n_before;
            const llama_token own   = target.likeliest(i);
            const bool keeps = i < k && overfill::uniform_at(seed, position, overfill::drawn_for::acceptance) < acceptance;
            text.push_back(keeps ? tokens[(size_t) i + 1] : own);
            if (i < k && text.back() != tokens[(size_t) i + 1]) break;
        }
        target.cut((int32_t) text.size() - 1);
        draft.cut((int32_t) text.size() - 1);
    }

    void forget_answer() {
        text.resize((size_t) n_before + 1);
        target.cut(n_before);
        draft.cut(n_before);
    }
};

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 6) give_up("expected <target model> <draft model> <folder of the back ends> <threads> <context size>");
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all_from_path(argv[3]);
    llama_backend_init();

    loop run;
    run.target.open(argv[1], std::atoi(argv[4]), (uint32_t) std::atoi(argv[5]));
    run.draft.open(argv[2], std::atoi(argv[4]), (uint32_t) std::atoi(argv[5]));
    std::cout << "ready " << run.draft.cache_bytes() << std::endl;

    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string        verb;
        words >> verb;
        if (verb == "prompt") {
            std::vector<llama_token> tokens;
            for (llama_token token; words >> token;) tokens.push_back(token);
            if (tokens.empty()) give_up("a prompt without tokens");
            const stopwatch watch;
            run.prompt(tokens);
            std::cout << watch.milliseconds() << std::endl;
            continue;
        }
        int      n = 0, k = 0;
        double   acceptance = 0;
        uint32_t seed       = 0;
        if (verb != "decode" || !(words >> n >> k >> acceptance >> seed) || run.text.empty())
            give_up("does not understand: " + line);
        const stopwatch watch;
        run.decode(n, k, acceptance, seed);
        const double took = watch.milliseconds();
        std::cout << took << ' ' << run.n_drafted << ' ' << run.n_checks << std::endl;
        run.forget_answer();
    }
    return 0;
}
