// What the package's decoding is measured against: a plain greedy loop over llama.h, as its own examples write it.
//
//   native-loop <model> <folder of the back ends> <threads> <context size> [<sequences>]
//
// Writes "ready" when the model is loaded, then obeys lines from its standard input and answers each with the
// milliseconds it took:
//
//   prompt <token> <token> ...   forgets everything, reads the tokens and chooses the first one of the answer
//   decode <n>                   reads the last token and chooses the next, n times
//   together <sequences> <n> <token> ...
//                                forgets everything, reads the tokens in each of the sequences and chooses its first token;
//                                the milliseconds are those of what follows: reads the last token of each in one batch
//                                and chooses the next of each, n times
//
// The context size is each sequence's, as a pair's is each session's.
#include <ggml-backend.h>
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
    std::cerr << "native-loop: " << why << std::endl;
    std::exit(1);
}

struct stopwatch {
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();

    double milliseconds() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    }
};

struct loop {
    llama_context * ctx;
    int32_t         n_vocab;
    int32_t         n_batch;
    llama_token     next = 0;

    void read(llama_token * tokens, int32_t n) {
        if (llama_decode(ctx, llama_batch_get_one(tokens, n)) != 0) give_up("llama_decode failed");
    }

    llama_token likeliest(int32_t row) const {
        const float * logits = llama_get_logits_ith(ctx, row);
        return (llama_token) (std::max_element(logits, logits + n_vocab) - logits);
    }

    void choose() { next = likeliest(-1); }

    void prompt(std::vector<llama_token> & tokens) {
        for (size_t i = 0; i < tokens.size(); i += (size_t) n_batch)
            read(tokens.data() + i, (int32_t) std::min(tokens.size() - i, (size_t) n_batch));
        choose();
    }

    void decode(int n) {
        for (int i = 0; i < n; i++) {
            read(&next, 1);
            choose();
        }
    }

    // One token of each sequence at a position. Their logits are in the same order.
    void read_together(llama_batch & batch, const std::vector<llama_token> & tokens, llama_pos position) {
        batch.n_tokens = (int32_t) tokens.size();
        for (int32_t i = 0; i < batch.n_tokens; i++) {
            batch.token[i]     = tokens[(size_t) i];
            batch.pos[i]       = position;
            batch.n_seq_id[i]  = 1;
            batch.seq_id[i][0] = i;
            batch.logits[i]    = true;
        }
        if (llama_decode(ctx, batch) != 0) give_up("llama_decode failed");
    }

    double decode_together(int n_sequences, int n, const std::vector<llama_token> & prompt) {
        llama_batch              batch = llama_batch_init(n_sequences, 0, 1);
        llama_pos                position = 0;
        std::vector<llama_token> tokens((size_t) n_sequences);
        const auto               choose_all = [&] {
            for (size_t i = 0; i < tokens.size(); i++) tokens[i] = likeliest((int32_t) i);
        };
        for (const llama_token token : prompt) {
            std::fill(tokens.begin(), tokens.end(), token);
            read_together(batch, tokens, position++);
        }
        choose_all();
        const stopwatch watch;
        for (int i = 0; i < n; i++) {
            read_together(batch, tokens, position++);
            choose_all();
        }
        const double took = watch.milliseconds();
        llama_batch_free(batch);
        return took;
    }
};

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 5 && argc != 6)
        give_up("expected <model> <folder of the back ends> <threads> <context size> [<sequences>]");
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all_from_path(argv[2]);
    llama_backend_init();

    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers       = 0;
    llama_model * model             = llama_model_load_from_file(argv[1], model_params);
    if (!model) give_up(std::string("could not load ") + argv[1]);

    llama_context_params params = llama_context_default_params();
    params.n_seq_max            = argc == 6 ? (uint32_t) std::atoi(argv[5]) : 1;
    params.n_ctx                = params.n_seq_max * (uint32_t) std::atoi(argv[4]);
    params.n_batch = params.n_ubatch = 512;
    params.n_threads = params.n_threads_batch = std::atoi(argv[3]);
    llama_context * ctx                       = llama_init_from_model(model, params);
    if (!ctx) give_up("could not make a context");

    loop run{ ctx, llama_vocab_n_tokens(llama_model_get_vocab(model)), (int32_t) params.n_batch };
    std::cout << "ready" << std::endl;
    std::string line, verb;
    while (std::getline(std::cin, line)) {
        std::istringstream       words(line);
        std::vector<llama_token> numbers;
        words >> verb;
        for (llama_token number; words >> number;) numbers.push_back(number);
        if (verb != "decode") llama_memory_clear(llama_get_memory(ctx), true);

        const stopwatch watch;
        double          took = -1;
        if (verb == "prompt" && !numbers.empty())
            run.prompt(numbers);
        else if (verb == "decode" && numbers.size() == 1)
            run.decode(numbers[0]);
        else if (verb == "together" && numbers.size() > 2)
            took = run.decode_together(numbers[0], numbers[1], { numbers.begin() + 2, numbers.end() });
        else
            give_up("does not understand: " + line);
        std::cout << (took < 0 ? watch.milliseconds() : took) << std::endl;
    }
    llama_free(ctx);
    llama_model_free(model);
    return 0;
}
