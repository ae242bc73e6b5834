import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.CreateTopicPolicy;

/** As managed services have it: only some settings of a topic may be given, one more where its name begins with "roomy", and some names are nobody's. */
public class TopicPolicy implements CreateTopicPolicy {
    private Set<String> allowed = Set.of();

    @Override
    public void configure(Map<String, ?> properties) {
        allowed = new HashSet<>(Arrays.asList(((String) properties.get("test.topic.settings")).split(",")));
    }

    @Override
    public void validate(RequestMetadata wanted) {
        // The brokers' own.
        if (wanted.topic().startsWith("__")) {
            return;
        }
        if (wanted.topic().startsWith("unwanted")) {
            throw new PolicyViolationException("this name may not be used");
        }
        for (String setting : wanted.configs().keySet()) {
            boolean roomy = setting.equals("max.message.bytes") && wanted.topic().startsWith("roomy");
            if (!allowed.contains(setting) && !roomy) {
                throw new PolicyViolationException("the setting " + setting + " may not be given");
            }
        }
    }

    @Override
    public void close() {}
}
