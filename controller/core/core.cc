#include "controller/core/core.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/build_order.h"
#include "controller/core/core_impl.h"

namespace rally::core {

absl::StatusOr<std::vector<Command>> Core::Impl::Apply(const Event& event, absl::Time now) {
  now_ = now;
  commands_.clear();
  to_decide_.clear();
  changed_.clear();
  newly_ready_.clear();
  const absl::Status applied =
      std::visit([this](const auto& concrete) { return On(concrete); }, event);
  if (!applied.ok()) return applied;
  // Placement may settle steps too: a clock that has run out is noticed when a grant is due.
  do {
    settled_ = false;
    DecideSteps();
    EndBuilds();
    Place();
  } while (settled_);
  PrepareEarly();
  ExplainReadySteps();
  PublishChanges();
  return std::move(commands_);
}

absl::Status Core::Impl::On(const BuildSubmitted& event) {
  if (!event.idempotency_key.empty() && by_key_.count(event.idempotency_key) != 0) {
    return absl::OkStatus();
  }
  if (const BuildRecord* known = FindById(event.build_id); known != nullptr) {
    if (known->build.idempotency_key == event.idempotency_key) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("build ", event.build_id, " was submitted with another key already"));
  }
  absl::StatusOr<std::vector<int>> order = OrderSteps(event.steps);
  if (!order.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("build ", event.build_id, ": ", order.status().message()));
  }

  auto record = std::make_unique<BuildRecord>();
  record->number = static_cast<int64_t>(records_.size());
  Build& build = record->build;
  build.id = event.build_id;
  build.idempotency_key = event.idempotency_key;
  build.content_hash = event.content_hash;
  build.pipeline_name = event.pipeline_name;
  build.labels = event.labels;
  build.context = event.context;
  build.total_timeout = event.total_timeout;
  build.fail_on_conflict = event.fail_on_conflict;
  build.fail_fast = event.fail_fast;
  build.submitted_at = now_;
  build.warnings = event.warnings;
  build.order = *std::move(order);
  build.unfinished_steps = static_cast<int>(event.steps.size());
  build.steps.resize(event.steps.size());
  record->tracks.resize(event.steps.size());
  record->rank.resize(event.steps.size());
  for (size_t place = 0; place < build.order.size(); ++place) {
    record->rank[build.order[place]] = static_cast<int>(place);
  }
  for (size_t i = 0; i < event.steps.size(); ++i) {
    const int index = static_cast<int>(i);
    Step& step = build.steps[i];
    step.definition = event.steps[i];
    step.undecided_dependencies = static_cast<int>(step.definition.dependencies.size());
    record->tracks[i].missing_live = step.undecided_dependencies;
    for (int dependency : step.definition.dependencies) {
      build.steps[dependency].dependents.push_back(index);
    }
    if (IsTag(step.definition.spec.image)) {
      record->tag_users[step.definition.spec.image].push_back(index);
    }
  }

  BuildRecord& added = *record;
  by_id_[build.id] = &added;
  if (!build.idempotency_key.empty()) by_key_[build.idempotency_key] = &added;
  records_.push_back(std::move(record));
  Touch(added);
  for (int index : added.build.order) {
    if (added.build.steps[index].undecided_dependencies == 0) {
      MakeReady(added, index);
    } else {
      ExplainWaiting(added, index);
    }
  }
  return absl::OkStatus();
}

const BuildRecord* Core::Impl::FindById(const std::string& id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

BuildRecord* Core::Impl::FindById(const std::string& id) {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

const BuildRecord* Core::Impl::FindByKey(const std::string& key) const {
  auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : it->second;
}

std::optional<Core::Impl::Current> Core::Impl::FindCurrent(const std::string& agent,
                                                           const AttemptKey& key) {
  BuildRecord* record = FindById(key.build_id);
  if (record == nullptr) return std::nullopt;
  if (key.step < 0 || key.step >= static_cast<int>(record->build.steps.size())) return std::nullopt;
  const Step& step = record->build.steps[key.step];
  if (!HasAttempt(step) || step.attempt != key.attempt || step.agent != agent) return std::nullopt;
  return Current{record, key.step};
}

AttemptKey Core::Impl::KeyOf(const BuildRecord& record, int step) const {
  return {record.build.id, step, record.build.steps[step].attempt};
}

void Core::Impl::Touch(BuildRecord& record) {
  if (record.changed) return;
  record.changed = true;
  changed_.push_back(&record);
}

void Core::Impl::PublishChanges() {
  for (BuildRecord* record : changed_) {
    record->changed = false;
    ++record->build.revision;
    Emit(BuildChanged{record->build.id, IsTerminal(record->build.status)});
  }
}

Core::Core(CoreOptions options) : impl_(std::make_unique<Impl>(options)) {}
bool Core::NoteActivity(const std::string& agent, const AttemptKey& key, std::string doing) {
  return impl_->NoteActivity(agent, key, std::move(doing));
}

Core::~Core() = default;

absl::StatusOr<std::vector<Command>> Core::Apply(const Event& event, absl::Time now) {
  return impl_->Apply(event, now);
}

absl::Time Core::NextDeadline() const { return impl_->timers().Next(); }

const Build* Core::FindBuild(const std::string& id) const {
  const BuildRecord* record = std::as_const(*impl_).FindById(id);
  return record == nullptr ? nullptr : &record->build;
}

const Build* Core::FindSubmission(const std::string& idempotency_key) const {
  const BuildRecord* record = impl_->FindByKey(idempotency_key);
  return record == nullptr ? nullptr : &record->build;
}

std::vector<const Build*> Core::Builds() const {
  std::vector<const Build*> builds;
  builds.reserve(impl_->records().size());
  for (const auto& record : impl_->records()) builds.push_back(&record->build);
  return builds;
}

const std::map<std::string, Agent>& Core::Agents() const { return impl_->agents().agents(); }

int64_t Core::epoch() const { return impl_->epoch(); }

}  // namespace rally::core
