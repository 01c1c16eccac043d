/*
 * Stands in for MongoDB where no MongoDB can be had: mongo-java-server speaks the wire protocol, its H2 backend keeps the data,
 * and this launcher adds what current drivers and a stack with passwords expect. It is not MongoDB, and what passes on it has
 * not passed on MongoDB. Lacking, and refused: sessions, transactions, retryable writes (drivers notice and go without), updates
 * by a pipeline, $jsonSchema, explain, change streams. Lacking, and accepted all the same: text and geo indexes, partial indexes,
 * any use of an index that is not unique (queries scan), hints, collations, time limits; a write concern means "written to the
 * file, not synced" whatever it says. One user, no TLS.
 *
 * java -cp 'jars/*:classes' MongoStandIn <host> <port> <directory>, with MONGO_INITDB_ROOT_USERNAME and _PASSWORD as the image has them.
 */
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.QueryResult;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.wire.message.MongoQuery;
import io.netty.channel.Channel;
import io.netty.util.AttributeKey;
import org.h2.mvstore.MVStore;

public final class MongoStandIn extends H2Backend {

    private static final Set<String> WRITES = Set.of("insert", "update", "delete", "findandmodify", "aggregate", "create", "drop",
        "createindexes", "dropindexes", "dropdatabase", "renamecollection");
    private static final Set<String> FOR_ANYONE = Set.of("hello", "ismaster", "ping", "buildinfo", "saslstart", "saslcontinue");
    private static final AttributeKey<Scram> LOGIN = AttributeKey.valueOf("login");

    private final MVStore store;
    private final String user;
    private final String password;

    private MongoStandIn(MVStore store, String user, String password) {
        super(store);
        this.store = store;
        this.user = user;
        this.password = password;
        // Driver 7 refuses servers below wire version 9; 17 is MongoDB 6.0's.
        version(new MongoVersion() {
            @Override
            public List<Integer> getVersionArray() {
                return List.of(6, 0, 0);
            }

            @Override
            public int getWireVersion() {
                return 17;
            }
        });
    }

    public static void main(String[] args) throws Exception {
        Path directory = Files.createDirectories(Path.of(args[2]));
        // Chunks that are free are used again at once: a commit per write would grow the file for 45 seconds otherwise.
        MVStore store = new MVStore.Builder().fileName(directory.resolve("data.mv").toString()).open();
        store.setRetentionTime(0);
        String user = System.getenv("MONGO_INITDB_ROOT_USERNAME");
        MongoServer server = new MongoServer(new MongoStandIn(store, user, System.getenv("MONGO_INITDB_ROOT_PASSWORD")));
        server.bind(args[0], Integer.parseInt(args[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.shutdownNow();
            Runtime.getRuntime().halt(0); // as mongod ends when it is asked to
        }));
        System.out.println("Waiting for connections on port " + server.getLocalAddress().getPort());
    }

    @Override
    public Document handleCommand(Channel channel, String database, String command, Document query) {
        String name = command.toLowerCase();
        if (user != null && !FOR_ANYONE.contains(name) && !isLoggedIn(channel)) {
            throw new MongoServerError(13, "Unauthorized", "Command " + command + " requires authentication");
        }
        return switch (name) {
            case "hello", "ismaster" -> hello(channel, database, query);
            case "saslstart" -> saslStart(channel, database, query);
            case "saslcontinue" -> saslContinue(channel, query);
            case "listcollections" -> listCollections(super.handleCommand(channel, database, command, query), query);
            default -> {
                Document reply = super.handleCommand(channel, database, command, query);
                // What is acknowledged is in the file and survives a kill of this process. Concurrent writes share a commit.
                if (WRITES.contains(name)) {
                    store.commit();
                }
                yield reply;
            }
        };
    }

    /** Queries by the old opcode, which carry no command. */
    @Override
    public QueryResult handleQuery(MongoQuery query) {
        throw new MongoServerError(5739101, "OP_QUERY is no longer supported. The client driver may require an upgrade.");
    }

    private Document hello(Channel channel, String database, Document query) {
        Document reply = super.handleCommand(channel, database, "ismaster", query);
        reply.put("isWritablePrimary", true);
        if (query.get("saslSupportedMechs") != null) {
            reply.put("saslSupportedMechs", List.of("SCRAM-SHA-256"));
        }
        return reply;
    }

    /** The server lists all collections, whatever is asked. */
    private static Document listCollections(Document reply, Document query) {
        if (query.get("filter") instanceof Document filter && filter.get("name") instanceof String name
            && reply.get("cursor") instanceof Document cursor && cursor.get("firstBatch") instanceof Collection<?> all) {
            cursor.put("firstBatch", all.stream().filter(each -> name.equals(((Document) each).get("name"))).toList());
        }
        return reply;
    }

    private static boolean isLoggedIn(Channel channel) {
        Scram login = channel.attr(LOGIN).get();
        return login != null && login.isProved;
    }

    private Document saslStart(Channel channel, String database, Document query) {
        if (!"SCRAM-SHA-256".equals(query.get("mechanism"))) {
            throw new MongoServerError(334, "MechanismUnavailable", "Received authentication for mechanism " + query.get("mechanism")
                + " which is unknown or not enabled");
        }
        Scram login = new Scram(password);
        String payload = login.first(text(query.get("payload")), database.equals("admin") ? user : null);
        login.skipsEmptyExchange = query.get("options") instanceof Document options
            && Boolean.TRUE.equals(options.get("skipEmptyExchange"));
        channel.attr(LOGIN).set(login);
        return saslReply(payload, false);
    }

    private Document saslContinue(Channel channel, Document query) {
        Scram login = channel.attr(LOGIN).get();
        if (login == null) {
            throw new MongoServerError(17, "ProtocolError", "No SASL session state found");
        }
        if (login.isProved) {
            return saslReply("", true);
        }
        try {
            return saslReply(login.last(text(query.get("payload"))), login.skipsEmptyExchange);
        } catch (RuntimeException refused) {
            channel.attr(LOGIN).set(null);
            throw refused;
        }
    }

    private static Document saslReply(String payload, boolean done) {
        return new Document("conversationId", 1)
            .append("done", done)
            .append("payload", new BinData(payload.getBytes(StandardCharsets.UTF_8)))
            .append("ok", 1.0);
    }

    private static String text(Object payload) {
        return payload instanceof BinData data ? new String(data.getData(), StandardCharsets.UTF_8) : "";
    }

    /** One login by SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side. */
    private static final class Scram {

        private static final int ITERATIONS = 15_000;
        private static final byte[] SALT = random(28);

        boolean skipsEmptyExchange;
        boolean isProved;
        private final String password;
        private boolean isKnown;
        private String firstOfClient;
        private String firstOfServer;

        Scram(String password) {
            this.password = password;
        }

        /** Answers `n,,n=user,r=nonce`. Whether the user is known shows only at the end, as MongoDB has it. */
        String first(String message, String expectedUser) {
            firstOfClient = message.substring(message.indexOf(",", 2) + 1);
            Map<String, String> said = attributes(firstOfClient);
            isKnown = expectedUser != null && expectedUser.equals(said.getOrDefault("n", "").replace("=2C", ",").replace("=3D", "="));
            firstOfServer = "r=" + said.get("r") + base64(random(24)) + ",s=" + base64(SALT) + ",i=" + ITERATIONS;
            return firstOfServer;
        }

        /** Answers `c=biws,r=nonce,p=proof`. */
        String last(String message) {
            try {
                Map<String, String> said = attributes(message);
                byte[] salted = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
                    .generateSecret(new PBEKeySpec(password.toCharArray(), SALT, ITERATIONS, 256)).getEncoded();
                byte[] clientKey = hmac(salted, "Client Key");
                byte[] storedKey = MessageDigest.getInstance("SHA-256").digest(clientKey);
                String withoutProof = message.substring(0, message.lastIndexOf(",p="));
                String signed = firstOfClient + "," + firstOfServer + "," + withoutProof;
                byte[] proof = xor(clientKey, hmac(storedKey, signed));
                boolean nonceIsOurs = attributes(firstOfServer).get("r").equals(said.get("r"));
                if (!isKnown || !nonceIsOurs || !MessageDigest.isEqual(proof, Base64.getDecoder().decode(said.get("p")))) {
                    throw new MongoServerError(18, "AuthenticationFailed", "Authentication failed.");
                }
                isProved = true;
                return "v=" + base64(hmac(hmac(salted, "Server Key"), signed));
            } catch (GeneralSecurityException | IllegalArgumentException | IndexOutOfBoundsException | NullPointerException cause) {
                throw new MongoServerError(18, "AuthenticationFailed", "Authentication failed.", cause);
            }
        }

        private static Map<String, String> attributes(String message) {
            Map<String, String> attributes = new HashMap<>();
            for (String part : message.split(",")) {
                attributes.put(part.substring(0, 1), part.length() > 2 ? part.substring(2) : "");
            }
            return attributes;
        }

        private static byte[] random(int length) {
            byte[] bytes = new byte[length];
            new SecureRandom().nextBytes(bytes);
            return bytes;
        }

        private static String base64(byte[] bytes) {
            return Base64.getEncoder().encodeToString(bytes);
        }

        private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
        }

        private static byte[] xor(byte[] a, byte[] b) {
            byte[] result = new byte[a.length];
            for (int i = 0; i < a.length; i++) {
                result[i] = (byte) (a[i] ^ b[i]);
            }
            return result;
        }
    }
}
