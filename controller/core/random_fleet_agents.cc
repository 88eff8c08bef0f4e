// What the agents of the fleet do.
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/random_fleet.h"
#include "controller/core/slow_model.h"
#include "gtest/gtest.h"

namespace rally::core {

AttemptKey Fleet::KeyOf(const AttemptName& name) {
  return {std::get<0>(name), std::get<1>(name), std::get<2>(name)};
}

void Fleet::Act(const std::string& name, FakeAgent& agent) {
  switch (Below(3)) {
    case 0:
      if (!agent.inbox.empty()) {
        const Command command = agent.inbox.front();
        agent.inbox.pop_front();
        Obey(name, agent, command);
      }
      return;
    case 1:
      if (!agent.outbox.empty()) {
        const Event event = agent.outbox.front();
        agent.outbox.pop_front();
        Tell(event);
        if (Chance(rates_.duplicate)) late_.push_back(event);
      } else if (!late_.empty()) {
        const Event event = late_.front();
        late_.pop_front();
        Tell(event);
      }
      return;
    default:
      Work(name, agent);
      return;
  }
}

void Fleet::Drain(const std::string& name, FakeAgent& agent) {
  while (!agent.inbox.empty()) {
    const Command command = agent.inbox.front();
    agent.inbox.pop_front();
    Obey(name, agent, command);
    while (!agent.outbox.empty()) {
      const Event event = agent.outbox.front();
      agent.outbox.pop_front();
      Tell(event);
    }
  }
}

// The host makes progress with one of its attempts.
void Fleet::Work(const std::string& name, FakeAgent& agent) {
  if (agent.attempts.empty()) return;
  auto chosen = agent.attempts.begin();
  std::advance(chosen, Below(static_cast<int>(agent.attempts.size())));
  const AttemptKey key = KeyOf(chosen->first);
  FakeAttempt& attempt = chosen->second;
  switch (attempt.state) {
    case AttemptReportState::kPreparing:
      if (Chance(rates_.rejection)) {
        const RejectCause causes[] = {RejectCause::kBusy, RejectCause::kBusy, RejectCause::kHere,
                                      RejectCause::kPermanent};
        agent.outbox.push_back(AttemptRejected{name, key, causes[Below(4)], "no"});
        agent.attempts.erase(chosen);
        return;
      }
      attempt.state = AttemptReportState::kPrepared;
      SayPrepared(name, agent, key);
      return;
    case AttemptReportState::kPrepared:
    case AttemptReportState::kEnded:
      return;
    case AttemptReportState::kStarting:
      attempt.state = AttemptReportState::kRunning;
      agent.outbox.push_back(AttemptStarted{name, key, absl::Seconds(1)});
      return;
    case AttemptReportState::kRunning:
      break;
  }
  AttemptEnded& result = attempt.result;
  result.agent = name;
  result.key = key;
  if (attempt.cancelled) {
    result.kind = EndKind::kCancelled;
  } else if (Chance(50)) {
    result.kind = EndKind::kTimedOut;
  } else if (Chance(rates_.rejection)) {
    result.kind = EndKind::kErrored;
    result.may_retry = Chance(700);
    result.message = "host trouble";
  } else if (Chance(rates_.losses / 5)) {
    result.kind = EndKind::kErrored;
    result.may_retry = true;
    result.message = "could not be captured";
    result.missing = LoseBlobs(attempt.input);
  } else {
    result.exit_code = Chance(100) ? 1 + Below(3) : 0;
  }
  if (result.kind != EndKind::kErrored && !attempt.input.empty() && Chance(600)) {
    std::set<std::string> writers = WritersIn(attempt.input);
    writers.insert(absl::StrCat("s", key.step));
    result.output = TreeOf(writers);
  }
  attempt.state = AttemptReportState::kEnded;
  agent.outbox.push_back(result);
}

void Fleet::SayPrepared(const std::string& name, FakeAgent& agent, const AttemptKey& key) {
  agent.outbox.push_back(
      AttemptPrepared{name, key, "sha256:0", absl::Seconds(1), absl::Seconds(1)});
}

void Fleet::Obey(const std::string& name, FakeAgent& agent, const Command& command) {
  if (const auto* prepare = std::get_if<SendPrepare>(&command)) {
    auto [it, is_new] = agent.attempts.try_emplace(NameOf(prepare->key));
    if (!is_new && it->second.state == AttemptReportState::kPrepared) {
      SayPrepared(name, agent, prepare->key);
    }
  } else if (const auto* grant = std::get_if<SendStartGrant>(&command)) {
    auto it = agent.attempts.find(NameOf(grant->key));
    if (it == agent.attempts.end() || it->second.state != AttemptReportState::kPrepared) return;
    if (grant->exclusive_lease > absl::ZeroDuration() &&
        now_ > agent.heard_at + grant->exclusive_lease) {
      ++seen_["late grant"];
      AttemptEnded& result = it->second.result;
      result.agent = name;
      result.key = grant->key;
      result.kind = EndKind::kErrored;
      result.may_retry = true;
      result.never_started = true;
      result.message = "the grant came too late";
      it->second.state = AttemptReportState::kEnded;
      agent.outbox.push_back(result);
      return;
    }
    if (Chance(rates_.losses)) {
      AttemptEnded& result = it->second.result;
      result.agent = name;
      result.key = grant->key;
      result.kind = EndKind::kErrored;
      result.may_retry = true;
      result.never_started = true;
      result.message = "blobs are lost";
      result.missing = LoseBlobs(grant->input);
      it->second.state = AttemptReportState::kEnded;
      agent.outbox.push_back(result);
      return;
    }
    it->second.state = AttemptReportState::kStarting;
    it->second.input = grant->input;
    it->second.lease = grant->exclusive_lease;
    starts_[{grant->key.build_id, grant->key.step}].insert(grant->key.attempt);
    CheckRerunClasses();
  } else if (const auto* cancel = std::get_if<SendCancel>(&command)) {
    auto it = agent.attempts.find(NameOf(cancel->key));
    if (it == agent.attempts.end()) return;
    if (cancel->discard) {
      agent.attempts.erase(it);
    } else if (it->second.state != AttemptReportState::kEnded) {
      it->second.cancelled = true;
      it->second.state = AttemptReportState::kRunning;  // on its way to its end
    }
  } else if (const auto* upload = std::get_if<SendUploadBlobs>(&command)) {
    BlobsUploaded answer{name, upload->key, {}};
    for (const Digest& blob : upload->blobs) {
      if (Chance(200)) answer.blobs.push_back(blob);
    }
    agent.outbox.push_back(answer);
  } else if (const auto* ack = std::get_if<SendResultAck>(&command)) {
    agent.attempts.erase(NameOf(ack->key));
  } else if (const auto* welcome = std::get_if<SendWelcome>(&command)) {
    for (const AttemptVerdict& verdict : welcome->verdicts) {
      auto it = agent.attempts.find(NameOf(verdict.key));
      if (it == agent.attempts.end()) continue;
      switch (verdict.verdict) {
        case Verdict::kKeep:
          break;
        case Verdict::kKill:
          agent.attempts.erase(it);
          break;
        case Verdict::kResendResult:
          agent.outbox.push_back(it->second.result);
          break;
        case Verdict::kForget:
          EXPECT_EQ(it->second.state, AttemptReportState::kEnded);
          agent.attempts.erase(it);
          break;
      }
    }
  }
}

// As an agent does for itself: it has heard nothing for as long as the attempt's lease.
void Fleet::EndWhatHasNoLease(const std::string& name, FakeAgent& agent) {
  for (auto& [attempt_name, attempt] : agent.attempts) {
    const bool runs = attempt.state == AttemptReportState::kStarting ||
                      attempt.state == AttemptReportState::kRunning;
    if (!runs || attempt.lease == absl::ZeroDuration()) continue;
    if (now_ <= agent.heard_at + attempt.lease) continue;
    ++seen_["fenced"];
    attempt.result.agent = name;
    attempt.result.key = KeyOf(attempt_name);
    attempt.result.kind = attempt.cancelled ? EndKind::kCancelled : EndKind::kErrored;
    attempt.result.may_retry = true;
    attempt.result.message = "no word from the controller";
    attempt.state = AttemptReportState::kEnded;
    if (agent.session != 0) agent.outbox.push_back(attempt.result);
  }
}

void Fleet::Connect(const std::string& name, FakeAgent& agent) {
  // What was in flight on the old stream is gone; results stay until they are acknowledged.
  agent.inbox.clear();
  agent.outbox.clear();
  agent.silent_for_controller = false;
  agent.heard_at = now_;
  AgentConnected hello;
  hello.agent = name;
  hello.session = agent.session = ++last_session_;
  hello.incarnation = absl::StrCat("disk", agent.disk);
  hello.slots = agent.slots;
  for (const auto& [attempt, state] : agent.attempts) {
    hello.attempts.push_back({KeyOf(attempt), state.state});
  }
  Tell(hello);
}

void Fleet::Cut(const std::string& name, FakeAgent& agent) {
  if (agent.session == 0) return;
  const int64_t session = agent.session;
  agent.session = 0;
  agent.inbox.clear();
  agent.outbox.clear();
  Tell(AgentDisconnected{name, session});
}

}  // namespace rally::core
