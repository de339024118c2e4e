// The ggml graph implementation: portable to every back end. What moves as it is is copied; the rest goes through a
// graph for each pair of caches and device of the target.
#include "device_graph.h"
#include "failure.h"
#include "stored_rows.h"
#include "translation.h"

#include <algorithm>
#include <new>

namespace overfill {

namespace {

class translate_graph final : public translate_implementation {
  public:
    translate_graph(const translation & plan, int32_t n_threads) : plan_(plan) {
        // A graph for each pair of caches and device of the target.
        struct group {
            ggml_backend_dev_t device;
            std::vector<const translate_step *> steps;
        };
        std::vector<group> groups;
        translation on_host;
        for (const translate_step & step : plan_.steps) {
            if (step.raw()) {
                const bool here = step.from.on_host() && step.to.on_host();
                if (here)
                    on_host.steps.push_back(step);
                else
                    copies_.push_back(&step);
                continue;
            }
            ggml_backend_dev_t device = device_of(step.to.tensor);
            const auto found = std::find_if(groups.begin(), groups.end(), [&](const group & g) {
                const translate_step & other = *g.steps.front();
                return g.device == device && other.from.cache == step.from.cache && other.to.cache == step.to.cache;
            });
            if (found == groups.end())
                groups.push_back({ device, { &step } });
            else
                found->steps.push_back(&step);
        }
        if (!on_host.steps.empty()) on_host_ = make_cpu_translate(on_host, n_threads);
        try {
            for (group & g : groups) graphs_.push_back(make_device_graph(std::move(g.steps), g.device, n_threads));
        } catch (const std::bad_alloc &) {
            throw failure(error_code::out_of_memory, "not enough memory for the graph that translates the KV cache");
        }
    }

    const char * name() const override { return "graph"; }

    void run(const translate_job & job) override {
        try {
            // What moves as it is needs no graph.
            if (on_host_) on_host_->run(job);
            for (const translate_step * step : copies_)
                copy_cells(*step, job.from_stream[step->from.cache], job.to_stream[step->to.cache],
                           runs_of(job.of(*step)), staging_);
            for (const auto & graph : graphs_) graph->run(job);
        } catch (const std::bad_alloc &) {
            throw failure(error_code::out_of_memory, "not enough memory to translate the KV cache");
        }
    }

  private:
    translation plan_;
    std::unique_ptr<translate_implementation> on_host_;
    std::vector<const translate_step *> copies_;
    std::vector<std::unique_ptr<device_graph>> graphs_;
    std::vector<uint8_t> staging_;
};

}  // namespace

std::unique_ptr<translate_implementation> make_graph_translate(const translation & plan, int32_t n_threads) {
    return std::make_unique<translate_graph>(plan, n_threads);
}

}  // namespace overfill
