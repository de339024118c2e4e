// What the package's decoding is measured against: a plain greedy loop over llama.h, as its own examples write it.
//
//   native-loop <model> <folder of the back ends> <threads> <context size>
//
// Writes "ready" when the model is loaded, then obeys lines from its standard input and answers each with the
// milliseconds it took:
//
//   prompt <token> <token> ...   forgets everything, reads the tokens and chooses the first one of the answer
//   decode <n>                   reads the last token and chooses the next, n times
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

struct loop {
    llama_context * ctx;
    int32_t         n_vocab;
    int32_t         n_batch;
    llama_token     next = 0;

    void read(llama_token * tokens, int32_t n) {
        if (llama_decode(ctx, llama_batch_get_one(tokens, n)) != 0) give_up("llama_decode failed");
    }

    void choose() {
        const float * logits = llama_get_logits_ith(ctx, -1);
        next                 = (llama_token) (std::max_element(logits, logits + n_vocab) - logits);
    }

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
};

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 5) give_up("expected <model> <folder of the back ends> <threads> <context size>");
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all_from_path(argv[2]);
    llama_backend_init();

    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers       = 0;
    llama_model * model             = llama_model_load_from_file(argv[1], model_params);
    if (!model) give_up(std::string("could not load ") + argv[1]);

    llama_context_params params = llama_context_default_params();
    params.n_ctx                = (uint32_t) std::atoi(argv[4]);
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
        if (verb == "prompt") llama_memory_clear(llama_get_memory(ctx), true);

        const auto begin = std::chrono::steady_clock::now();
        if (verb == "prompt" && !numbers.empty())
            run.prompt(numbers);
        else if (verb == "decode" && numbers.size() == 1)
            run.decode(numbers[0]);
        else
            give_up("does not understand: " + line);
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        std::cout << took.count() << std::endl;
    }
    llama_free(ctx);
    llama_model_free(model);
    return 0;
}
