/* Lookups WAY DOMAIN MILLISECONDS: look up h1.DOMAIN, h2.DOMAIN, ... for ever: by `inet` (InetAddress, which asks
 * glibc), `jndi` (one DNS context, kept) or `jndi-anew` (a context for each).
 */
import java.net.InetAddress;
import java.security.Security;
import java.util.Hashtable;
import javax.naming.Context;
import javax.naming.directory.DirContext;
import javax.naming.directory.InitialDirContext;

public class Lookups {
    static DirContext context() throws Exception {
        Hashtable<String, String> environment = new Hashtable<>();
        environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.dns.DnsContextFactory");
        environment.put(Context.PROVIDER_URL, "dns:");
        return new InitialDirContext(environment);
    }

    public static void main(String[] words) throws Exception {
        Security.setProperty("networkaddress.cache.ttl", "0");
        Security.setProperty("networkaddress.cache.negative.ttl", "0");
        /* As it starts, the virtual machine asks who its user is, which tries nscd's socket; a query on the same thread
         * within a second would look like glibc's. A server has nobody to ask for yet.
         */
        Thread.sleep(1500);
        DirContext kept = words[0].equals("inet") ? null : context();
        for (int number = 1;; number++) {
            String name = "h" + number + "." + words[1];
            try {
                if (words[0].equals("inet"))
                    System.out.println(InetAddress.getByName(name));
                else
                    System.out.println((words[0].equals("jndi") ? kept : context()).getAttributes(name, new String[] {"A"}));
            } catch (Exception error) {
                System.out.println("error: " + error);
            }
            Thread.sleep(Integer.parseInt(words[2]));
        }
    }
}
